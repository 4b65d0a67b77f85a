/** A dataset whose items have the class of the first folder that they lie in. */
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { viewOrigin } from './dataset.ts'
import type { Dataset, Item } from './dataset.ts'
import { originOf } from './origin.ts'
import type { Origin } from './origin.ts'
import { reopener } from './reader.ts'
import { folderOf } from './walk.ts'

const origin = originOf<{ readonly of: Origin; readonly classes: ReadonlyArray<string> }>('by folder')

/** The items with labels; those that lie in no folder of a class have none. */
export const byFolder =
  (classes: ReadonlyArray<string>) =>
  (d: Dataset): Dataset => {
    const numbers = new Map(classes.map((c, i) => [c, i]))
    const labelOf = (source: string | undefined): number | undefined => numbers.get(folderOf(source ?? '') ?? '')
    return {
      ...d,
      classes,
      label: (i) => O.fromNullable(labelOf(d.sourceOf?.(i))),
      ...viewOrigin(d, (of) => origin.of({ of, classes }, of.inMemory)),
      item: (i) =>
        pipe(
          d.item(i),
          TE.map((item): Item => {
            const label = labelOf(item.source)
            return label === undefined ? item : { ...item, label }
          }),
        ),
    }
  }

export const byFolderView = reopener(origin, ({ of, classes }, again) => pipe(again(of), TE.map(byFolder(classes))))
