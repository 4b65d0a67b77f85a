/** Runs the specification against one mutant: what costs least first, until one file notices. */
import type { Bench, Group } from './bench.ts'
import type { Found } from './mutant.ts'
import { applied, nameOf } from './mutant.ts'

export interface Result {
  readonly name: string
  readonly outcome: 'noticed' | 'survived'
  /** The file that noticed, and what it said. */
  readonly by: string
  readonly said: string
  readonly seconds: number
}

/** Seconds after which a group of files counts as hung, which is noticed too. */
const limit = 1200

export const check = (bench: Bench, groups: ReadonlyArray<Group>, { path, mutant }: Found): Promise<Result> => {
  const began = Date.now()
  const result = (outcome: Result['outcome'], by = '', said = ''): Result => ({
    name: nameOf(mutant),
    outcome,
    by,
    said,
    seconds: Math.round((Date.now() - began) / 1000),
  })
  return bench.changed(path, applied(mutant), async () => {
    for (const group of groups) {
      const ended = await bench.run(group, limit)
      if (ended._tag === 'Hung') return result('noticed', group.tests.join(' '), `no end in ${limit} s`)
      if (ended._tag === 'Failed')
        return result('noticed', group.tests.find((t) => ended.said.includes(t)) ?? group.tests.join(' '), ended.said)
    }
    return result('survived')
  })
}
