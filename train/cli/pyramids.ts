/** What `hf` does with backbones with stages: says what they are, and writes them. */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { parameterCount } from '../../models/count.ts'
import type { PyramidBackbone } from '../exchange/huggingface/pyramid.ts'
import type { WritePyramidOptions } from '../exchange/huggingface/pyramid-writer.ts'
import { writeOfficialPyramid, writePyramid } from '../exchange/huggingface/pyramid-writer.ts'

type Output = Readonly<Record<string, unknown>>

export const pyramidSummary = ({ model, weights, preprocessor, notes }: PyramidBackbone): Output => ({
  source: model.family.type,
  writes_as: model.family.type,
  parameters: parameterCount(model.params),
  tensors: weights.size,
  ...model.said.options,
  notes,
  ...(preprocessor === undefined ? {} : { preprocessor }),
})

/** Writes the form that is asked for, with a file of official names beside it where that is wished. Fault: a form that there is not. */
export const pyramidWritten =
  (form: string, out: string, o: WritePyramidOptions, beside: boolean) =>
  (b: PyramidBackbone): TaskEither<Fault, Output> => {
    if (form !== 'huggingface' && form !== 'official')
      return TE.left(
        fault('usage', {
          place: '--format',
          found: `${form} for a ${b.model.family.name}`,
          allowed: 'huggingface or official',
          remedy: 'write one of these: timm has other names for its blocks',
        }),
      )
    const writers = [...(form === 'huggingface' ? [writePyramid] : []), ...(form === 'official' || beside ? [writeOfficialPyramid] : [])]
    return pipe(
      writers,
      TE.traverseSeqArray((write) => write(out, o)(b)),
      TE.map((files) => ({ ...pyramidSummary(b), out, files: [...new Set(files.flat())] })),
    )
  }
