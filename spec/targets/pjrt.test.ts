/** `pjrt:cpu` against the oracle: every primitive. Faults, donation, memory, the cache of programs: pjrt-device.test.ts. */
import * as E from 'fp-ts/lib/Either.js'
import { afterAll, describe, expect, it } from 'vitest'
import { openPjrt } from '../../compiler/targets/pjrt/target.ts'
import { showFault } from '../../core/fault.ts'
import { agreesWithReference } from '../rules/agreement.ts'
import { samples } from '../rules/samples.ts'
import { isOptional } from '../support/optional.ts'

const here = await openPjrt('cpu')()
if (E.isLeft(here)) console.warn(`pjrt:cpu is not tested here: ${showFault(here.left)}`)
afterAll(() => {
  if (E.isRight(here)) here.right.close()
})

describe.skipIf(E.isLeft(here) && isOptional('pjrt:cpu'))('every primitive agrees with the reference', () => {
  it.for(Object.entries(samples))('%s', async ([, sample]) => {
    if (E.isLeft(here)) return expect.fail(showFault(here.left))
    await agreesWithReference(here.right, sample, { count: 12 })
  })
})
