import * as TE from 'fp-ts/lib/TaskEither.js'
import { expect, test } from 'vitest'
import type { OpenedData, Opener } from '../../data/readers/opener.ts'
import { once } from '../../train/recipes/parts/once.ts'
import { right } from '../data/either.ts'

test('what was opened to choose settings by is not opened again, unless another path or another reading is asked for', async () => {
  const asked: string[] = []
  const open: Opener = (path, o) => {
    asked.push(`${path} ${o.folders ?? ''}`)
    return TE.right<never, OpenedData>({ kind: path, splits: new Map(), skipped: [], notes: [] })
  }
  const { kept, taken } = once(open)
  const first = right(await kept('a', { listed: () => undefined })())
  expect(right(await taken('a', { listed: () => undefined })())).toBe(first)
  // it is given once: a file may have been added since
  right(await taken('a', {})())
  right(await kept('a', {})())
  right(await taken('a', { folders: 'none' })())
  right(await kept('a', {})())
  expect(right(await taken('b', {})()).kind).toBe('b')
  expect(asked).toEqual(['a ', 'a ', 'a ', 'a none', 'a ', 'b '])
})
