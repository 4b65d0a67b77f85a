/**
 * The golden cases of spec/parity/fixtures on every target that runs here, with the tolerances of the cases as they are (a
 * graphics processor's scaled by one factor); and those of spec/parity/own, which spec/parity/generate has written for options that the
 * others leave out. `npm run conformance` is the same as a command.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, test } from 'vitest'
import { openTarget } from '../../compiler/targets/open.ts'
import { showFault } from '../../core/fault.ts'
import { right } from '../data/either.ts'
import { isOptional } from '../support/optional.ts'
import { runCase, showVerdict } from './run.ts'

const folderOf = (name: string): string => new URL(`${name}/`, import.meta.url).pathname
const casesIn = (folder: string): ReadonlyArray<string> => readdirSync(folder).filter((name) => existsSync(join(folder, name, 'case.json')))
const folder = folderOf('fixtures')
const cases = casesIn(folder)

for (const target of ['reference', 'native', 'gpujs:cpu', 'gpujs:webasm', 'gpujs:webgpu', 'pjrt:cpu']) {
  const opened = await openTarget(target)()
  if (E.isRight(opened)) opened.right.close()
  else console.warn(`${target} is not tested here: ${showFault(opened.left)}`)
  describe.skipIf(E.isLeft(opened) && isOptional(target))(target, () => {
    test.each(cases)(
      '%s',
      async (name) => {
        const verdict = right(await runCase(openTarget(target), join(folder, name), name)())
        expect(verdict.status, showVerdict(verdict)).toBe('PASS')
      },
      240_000,
    )
  })
}

for (const target of ['reference', 'native', 'pjrt:cpu']) {
  const opened = await openTarget(target)()
  if (E.isRight(opened)) opened.right.close()
  else console.warn(`${target} is not tested here: ${showFault(opened.left)}`)
  describe.skipIf(E.isLeft(opened) && (target === 'native' || isOptional(target)))(`${target}, own cases`, () => {
    test.each(casesIn(folderOf('own')))(
      '%s',
      async (name) => {
        const verdict = right(await runCase(openTarget(target), join(folderOf('own'), name), name)())
        expect(verdict.status, showVerdict(verdict)).toBe('PASS')
      },
      240_000,
    )
  })
}
