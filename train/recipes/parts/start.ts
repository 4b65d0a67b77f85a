/** Where networks begin, as settings. */
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { channelRules } from '../../exchange/huggingface/imagery.ts'
import type { Values } from '../../step/values.ts'
import type { ValueOf } from '../../config/field.ts'
import { oneOf, text } from '../../config/field.ts'
import { section } from '../../config/section.ts'
import type { Beginning } from '../../run/experiment.ts'
import { startFrom } from '../../exchange/transfer/transfer.ts'

export const startSettings = section('where networks begin; also --model', {
  from: text('', 'a run, a Hugging Face folder, a file of official weights, or the id of a model; empty: at random values'),
  base: text('', 'the model that adapters belong to, where "from" is a folder of them that does not say it, or says another'),
  heads: oneOf(['take', 'new'], 'whether heads are taken over where there are any, or the backbone alone'),
  network: oneOf(['teacher', 'student'], 'which network of a run'),
  channels: oneOf(channelRules, 'how a patch embedding is made for other channels'),
})

export type Start = ValueOf<typeof startSettings>

/**
 * The first values that such settings give; `roots` are the networks that begin so. Faults: those of reading; a backbone that does not fit.
 */
export const beginningOf =
  ({ from, base, heads, network, channels }: Start, roots?: ReadonlyArray<string>) =>
  (how: Beginning): TaskEither<Fault, Values> =>
    from === ''
      ? TE.right(new Map())
      : startFrom(from, {
          heads,
          network,
          channelRule: channels,
          ...(base === '' ? {} : { base }),
          ...(roots === undefined ? {} : { roots }),
          ...pipe(
            how.method.evaluated.vit,
            O.match(
              () => ({}),
              ({ options }) => ({ attentionHeads: options.heads }),
            ),
          ),
        })(how)
