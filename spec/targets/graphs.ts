/**
 * A target against the reference on random graphs and random networks with their gradients, each run twice in a row. `npm run soak` is the
 * same with ever new seeds.
 */
import { describe, expect, test } from 'vitest'
import { drawn, seed } from '../support/arbitrary.ts'
import { generatorOf } from '../support/generators.ts'
import type { Prey } from '../support/hunt.ts'
import { hunted, showFailure } from '../support/hunt.ts'
import { absence } from './preys.ts'

/** The tests of a target; of an optional one only where it runs. */
export const holds = async (prey: Prey, optional = false): Promise<void> => {
  const absent = await absence(prey)
  if (absent !== undefined) console.warn(`${prey.name} is not tested here: ${absent}`)
  describe.skipIf(absent !== undefined && optional)(prey.name, () => {
    test.each(Object.entries(prey.counts))('%s', { timeout: 1_200_000 }, async (name, count) => {
      const generator = generatorOf(name)
      if (generator === undefined) return expect.fail(`no generator ${name}`)
      const wanted = drawn(count)
      const bag = await hunted(prey, generator, seed, wanted)
      console.log(
        `${prey.name}: ${bag.graphs - bag.failures.length} of ${bag.graphs} ${name} of seed ${seed} agree (${bag.unfit} left out), worst ratio ${bag.worst.toPrecision(2)} at ${bag.at}, ${bag.seconds.toFixed(0)} s`,
      )
      expect(bag.failures.map(showFailure).join('\n\n')).toBe('')
      expect(bag.graphs).toBe(wanted)
    })
  })
}
