/** Data that are opened to choose settings by, and then trained on: a million files are listed once. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import type { Fault } from '../../../core/fault.ts'
import type { OpenedData, Opener } from '../../../data/readers/opener.ts'

export interface Once {
  /** Opens, and keeps what was opened. */
  readonly kept: Opener
  /** What was kept of this path and these options, which is kept no longer; else opens. */
  readonly taken: Opener
}

/** Two readings of a path, of which the second has what the first has opened. */
export const once = (open: Opener): Once => {
  let last: { readonly key: string; readonly opened: Either<Fault, OpenedData> } | undefined
  const keyOf = (...asked: Parameters<Opener>): string => JSON.stringify(asked)
  return {
    kept: (path, o) => async () => {
      const opened = await open(path, o)()
      last = E.isRight(opened) ? { key: keyOf(path, o), opened } : undefined
      return opened
    },
    taken: (path, o) => async () => {
      const [known, key] = [last, keyOf(path, o)]
      last = undefined
      return known?.key === key ? known.opened : open(path, o)()
    },
  }
}
