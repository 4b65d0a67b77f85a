/** Whose names the modules of adapters get. */
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { configOf, typeOf } from '../../../models/huggingface/config.ts'
import type { AnyBackbone } from '../../step/method.ts'
import type { ModuleNames } from './peft.ts'

/** Those of the type that the backbone is written as, or our own where no type can hold it. */
export const namesFor = ({ vit, pyramid }: Pick<AnyBackbone, 'vit' | 'pyramid'>): ModuleNames => {
  if (O.isSome(pyramid)) return pyramid.value.family.type
  if (O.isNone(vit)) return 'own'
  const type = typeOf(vit.value.options)
  return E.isRight(configOf(type, vit.value.options)) ? type : 'own'
}
