/** gpu.js's modes against the oracle: every primitive. Random graphs: graphs.test.ts. */
import * as E from 'fp-ts/lib/Either.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Device } from '../../compiler/target.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import { showFault } from '../../core/fault.ts'
import { agreesWithReference } from '../rules/agreement.ts'
import { samples } from '../rules/samples.ts'
import { isOptional } from '../support/optional.ts'

for (const mode of ['cpu', 'webasm', 'webgpu']) {
  const opened = await openTarget(`gpujs:${mode}`)()
  if (E.isLeft(opened)) console.warn(`gpujs:${mode} is not tested here: ${showFault(opened.left)}`)
  describe.skipIf(E.isLeft(opened) && isOptional(`gpujs:${mode}`))(`gpujs:${mode}`, () => {
    let device: Device
    beforeAll(() => {
      if (E.isLeft(opened)) return expect.fail(showFault(opened.left))
      device = opened.right
    })
    afterAll(() => {
      if (E.isRight(opened)) opened.right.close()
    })
    test.each(Object.entries(samples))(
      '%s agrees with reference',
      async (_, sample) => {
        await agreesWithReference(device, sample, { half: false })
      },
      120_000,
    )
  })
}
