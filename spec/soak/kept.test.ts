/** Graphs that once failed somewhere (`npm run soak` writes them into kept/), on every target; and that what is kept is what failed. */
import * as E from 'fp-ts/lib/Either.js'
import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'
import { showFault } from '../../core/fault.ts'
import { print } from '../../core/print.ts'
import { extentGraphs } from '../support/extents.ts'
import { generators, listsOf, usesHalf } from '../support/generators.ts'
import { compared, expectedOf, judged } from '../support/verdict.ts'
import { shrunk } from '../support/shrink.ts'
import type { RandomGraph } from '../support/graphs.ts'
import { nodesOf } from '../../core/graph.ts'
import { absence, preys } from '../targets/preys.ts'
import { keptFiles, readBack, textOf, written } from './kept.ts'

const graphOf = (text: string): RandomGraph => {
  const r = readBack(text)
  return E.isRight(r) ? r.right : expect.fail(showFault(r.left))
}

for (const prey of preys) {
  const absent = await absence(prey)
  describe.skipIf(absent !== undefined || keptFiles().length === 0)(`kept graphs on ${prey.name}`, () => {
    test.each(keptFiles())('%s', async (path) => {
      const r = graphOf(textOf(path))
      if (usesHalf(r) && !prey.half) return
      const expected = await expectedOf(r)
      for (const open of prey.opens)
        expect(
          (await judged(open, r, expected)).flaws.map((f) => f.text),
          basename(path),
        ).toEqual([])
    })
  })
}

describe('a failure', () => {
  test.each(generators.map((g) => [g.name, g] as const))('of %s is read back as it was written', (_, g) => {
    const graph = g.make(listsOf(g, 3, 4)[3], { half: true })
    const text = written({ target: 'native', generator: g.name, seed: 3, flaw: 'none', graph })
    const again = graphOf(E.isRight(text) ? text.right : expect.fail(showFault(text.left)))
    expect(print(again.graph)).toBe(print(graph.graph))
    expect([...again.values]).toEqual([...graph.values])
  })

  test('is cut down to the lines that fail', async () => {
    const r = extentGraphs.make(listsOf(extentGraphs, 5, 8)[7], { half: false })
    // stands for a fault of a target: whatever takes a tanh fails
    const fails = (g: RandomGraph): Promise<boolean> =>
      Promise.resolve(nodesOf(g.graph).some((e) => e._tag === 'Apply' && e.op.name === 'tanh'))
    expect(await fails(r)).toBe(true)
    const small = await shrunk(r, fails, 200)
    expect(await fails(small)).toBe(true)
    expect(nodesOf(small.graph).length).toBeLessThanOrEqual(4)
    expect(small.graph.outputs).toHaveLength(1)
    const expected = await expectedOf(small)
    expect(compared(small.graph, expected, expected).flaws).toEqual([])
  })

  test('is seen where one element is off by more than the tolerance, or one whole number by one', async () => {
    const r = generators[0].make(listsOf(generators[0], 3, 4)[3], { half: false })
    const expected = await expectedOf(r)
    const off = (path: string, by: number): ReadonlyArray<string> => {
      const changed = Float64Array.from(expected.get(`2 ${path}`) ?? [])
      changed[0] += by
      return compared(r.graph, new Map([...expected, [`2 ${path}`, changed]]), expected).flaws.map((f) => f.path)
    }
    expect(off('smooth', 1e-4)).toEqual(['smooth'])
    expect(off('smooth', 1e-6)).toEqual([])
    expect(off('smooth', NaN)).toEqual(['smooth'])
    expect(off('ints', 1)).toEqual(['ints'])
    expect(off('w', 1)).toEqual(['w'])
  })
})
