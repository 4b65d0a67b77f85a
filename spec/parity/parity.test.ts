/** Every golden case of spec/parity/fixtures that has a kind, on the reference. Other targets: `npm run conformance`. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openTarget } from '../../compiler/targets/open.ts'
import { right } from '../data/either.ts'
import { runCase, showVerdict } from './run.ts'

const folder = new URL('fixtures/', import.meta.url).pathname

test.each(readdirSync(folder))('%s', async (name) => {
  const verdict = right(await runCase(openTarget('reference'), join(folder, name), name)())
  if (verdict.status !== 'UNSUPPORTED') expect(verdict.status, showVerdict(verdict)).toBe('PASS')
})
