/**
 * The command that runs every property of the specification once more with another seed, which it prints: `npm run reseeded`. The same
 * seed again: `DINOGRAPH_SEED=S npm run reseeded`.
 */
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { importsOf, testsOf } from '../mutation/imports.ts'
import { root } from '../rooms/rooms.ts'

const given = process.env.DINOGRAPH_SEED ?? ''
const seed = given === '' ? `${randomInt(2 ** 31)}` : given
const files = testsOf(importsOf(), 'spec/support/arbitrary.ts')

process.stdout.write(`${files.length} files of properties with seed ${seed}; the same again: DINOGRAPH_SEED=${seed} npm run reseeded\n`)
const { status } = spawnSync('npx', ['vitest', 'run', ...files, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, DINOGRAPH_SEED: seed },
})
if (status !== 0) process.stdout.write(`seed ${seed} failed; the same again: DINOGRAPH_SEED=${seed} npm run reseeded\n`)
process.exitCode = status ?? 1
