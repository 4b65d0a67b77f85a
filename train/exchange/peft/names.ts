/** Whose names the modules of adapters get. */
import * as E from 'fp-ts/lib/Either.js'
import { configOf, typeOf } from '../../../models/huggingface/config.ts'
import type { Vit } from '../../../models/vit.ts'
import type { ModuleNames } from './peft.ts'

/** Those of the type that the backbone is written as, or our own where no type can hold it. */
export const namesFor = (model: Vit): ModuleNames => {
  const type = typeOf(model.options)
  return E.isRight(configOf(type, model.options)) ? type : 'own'
}
