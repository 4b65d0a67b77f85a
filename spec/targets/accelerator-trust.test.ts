/** A plugin runs with all rights of the user: it is loaded from folders alone in which nobody else can write. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { accelerators } from '../../compiler/targets/pjrt/accelerators.ts'
import { acceleratorFolder, findPlugin } from '../../compiler/targets/pjrt/plugin.ts'
import { isFault } from '../../core/fault.ts'

/** An accelerator for GPUs that was installed, and an environment without another one. */
const installed = () => {
  const env = { XDG_CACHE_HOME: mkdtempSync(join(tmpdir(), 'dinograph-plugin-')) }
  const [a] = accelerators.filter((x) => x.platform === 'cuda')
  const path = join(acceleratorFolder(env), a.name, a.library)
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  writeFileSync(path, '')
  return { env, path, packages: join(acceleratorFolder(env), a.name) }
}

const found = (env: Readonly<Record<string, string>>): string => {
  const plugin = findPlugin('cuda', env)
  return isFault(plugin) ? `${plugin.found}; ${plugin.remedy}` : plugin.path
}

test('one in folders of the user is taken', () => {
  const { env, path } = installed()
  expect(found(env)).toBe(path)
})

test('one where others can write is not, until they cannot', () => {
  const { env, path, packages } = installed()
  for (const open of [path, dirname(path), packages, acceleratorFolder(env)]) {
    chmodSync(open, 0o777)
    expect(found(env)).toMatch(new RegExp(`^others could write in ${open}; if it is yours: chmod -R go-w ${acceleratorFolder(env)};`))
    chmodSync(open, 0o755)
    expect(found(env)).toBe(path)
  }
  // what nobody else may enter nobody else can change
  chmodSync(acceleratorFolder(env), 0o700)
  chmodSync(path, 0o666)
  expect(found(env)).toBe(path)
})

test.skipIf(process.getuid?.() !== 0)('one of another user is not', () => {
  const { env, path } = installed()
  chownSync(path, 12345, 12345)
  expect(found(env)).toMatch(/belongs to another user; if it is yours/)
})
