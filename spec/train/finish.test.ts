import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { expect, test } from 'vitest'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { finished, finishes } from '../../train/judge/finish.ts'
import type { Numbers } from '../../train/run/judge.ts'

test('what fails at the end of a run costs nothing that comes after it, and is its result', async () => {
  type Finish = (f: { readonly metrics: Numbers }) => TE.TaskEither<Fault, Numbers>
  const done: string[] = []
  const makes =
    (name: string): Finish =>
    () => {
      done.push(name)
      return TE.right({ [name]: 1 })
    }
  const fails: Finish = () => TE.left(fault('data', { place: 'a picture', found: 'nothing', allowed: 'something', remedy: 'look' }))
  const seen: Array<Numbers> = []
  const last: Finish = (f) => {
    seen.push(f.metrics)
    return TE.right({})
  }
  const f = { metrics: { loss: 2 } }
  const run = (all: ReadonlyArray<Finish>) => finished(all)(f)()
  const result = await run([makes('exports'), fails, makes('own'), last])
  expect([E.isLeft(result) && result.left.place, done, seen]).toEqual(['a picture', ['exports', 'own'], [{ loss: 2, exports: 1, own: 1 }]])
  expect(await run([makes('more')])).toEqual(E.right({ loss: 2, more: 1 }))
})

test('exports come before pictures', () => {
  expect(finishes.map((f) => f.name).slice(0, 2)).toEqual(['product', 'attention'])
})
