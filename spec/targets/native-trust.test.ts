/** What is in the cache of compiled code runs with all rights of the user: nothing is loaded that was not put there whole by the user. */
import { execFile } from 'node:child_process'
import { chmod, chown, cp, mkdir, mkdtemp, readFile, readdir, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const script = fileURLToPath(new URL('native-once.ts', import.meta.url))

interface Once {
  readonly out: string
  readonly said: string
  readonly signal: string | null
}

const once = (cache: string, env: Readonly<Record<string, string>> = {}): Promise<Once> =>
  new Promise((done) => {
    const child = execFile(
      process.execPath,
      ['--import', 'tsx', script],
      { env: { ...process.env, XDG_CACHE_HOME: cache, ...env }, timeout: 120000 },
      (_, out, said) => {
        done({ out, said, signal: child.signalCode })
      },
    )
  })

const fresh = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-trust-'))
const native = (cache: string): string => join(cache, 'dinograph', 'native')
const right = { out: 'y = 3 5 7\n', signal: null }
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777

/** A cache in which the program has been compiled once. */
const compiled = async (): Promise<string> => {
  const cache = await fresh()
  expect(await once(cache)).toEqual({ ...right, said: '' })
  return cache
}

let first: Promise<string> | undefined

/** A copy of one that was compiled for all tests. */
const filled = async (): Promise<string> => {
  const cache = await fresh()
  first ??= compiled()
  await cp(await first, cache, { recursive: true, preserveTimestamps: true })
  for (const path of [join(cache, 'dinograph'), native(cache)]) await chmod(path, 0o700)
  return cache
}

const libraries = async (folder: string): Promise<ReadonlyArray<string>> =>
  (await readdir(folder)).filter((f) => f.endsWith('.so')).map((f) => join(folder, f))

describe('a library of the cache', () => {
  const damages: Readonly<Record<string, (path: string) => Promise<void>>> = {
    'that is cut short': async (path) => truncate(path, Math.floor((await stat(path)).size / 2)),
    'that is empty': (path) => truncate(path, 0),
    'with bits that have flipped': async (path) => {
      const bytes = await readFile(path)
      for (let i = 64; i < bytes.length; i += 97) bytes[i] ^= 0x10
      await writeFile(path, bytes)
    },
    'without its digest': (path) => writeFile(path.replace(/\.so$/, '.sha256'), ''),
  }
  it.each(Object.keys(damages))('%s is compiled again, which is said, and then heals', { timeout: 300000 }, async (kind) => {
    const cache = await filled()
    const all = await libraries(native(cache))
    expect(all.length).toBeGreaterThan(1)
    for (const path of all) await damages[kind](path)
    const again = await once(cache)
    expect(again).toMatchObject(right)
    for (const path of all) expect(again.said).toContain(`${path} is not as it was compiled`)
    expect(again.said.trimEnd().split('\n')).toHaveLength(all.length)
    expect(await once(cache)).toEqual({ ...right, said: '' })
  })

  it('lies in folders that the user alone may enter', { timeout: 120000 }, async () => {
    const cache = await compiled()
    for (const path of [join(cache, 'dinograph'), native(cache)]) expect(await modeOf(path)).toBe(0o700)
  })
})

/** Its constructor says that it ran. */
const planted = '__attribute__((constructor)) static void f(void) { FILE *o = fopen(getenv("PLANTED"), "w"); fputs("ran", o); fclose(o); }'

describe('a folder of the cache', () => {
  it('in which others could write is emptied and closed, so that nothing of theirs runs', { timeout: 300000 }, async () => {
    const cache = await filled()
    const [folder, mark] = [native(cache), join(cache, 'mark')]
    const source = join(cache, 'planted.c')
    await writeFile(source, `#include <stdio.h>\n#include <stdlib.h>\n${planted}\n`)
    for (const path of await libraries(folder))
      await new Promise<void>((done, fail) => {
        execFile('cc', ['-shared', '-fPIC', source, '-o', path], (e) => {
          if (e === null) done()
          else fail(e)
        })
      })
    // with the digests that belong to them: whoever may write the one may write the other
    const { createHash } = await import('node:crypto')
    for (const path of await libraries(folder))
      await writeFile(
        path.replace(/\.so$/, '.sha256'),
        createHash('sha256')
          .update(await readFile(path))
          .digest('hex'),
      )
    await chmod(folder, 0o777)
    const again = await once(cache, { PLANTED: mark })
    expect(again).toMatchObject(right)
    expect(again.said).toContain('emptied and closed')
    expect(existsSync(mark)).toBe(false)
    expect(await modeOf(folder)).toBe(0o700)
  })

  it.skipIf(userInfo().uid !== 0)('of another owner is left alone: a private one is used, which is said', { timeout: 300000 }, async () => {
    for (const how of ['folder', 'link']) {
      const [cache, theirs] = [await fresh(), await fresh()]
      await mkdir(join(cache, 'dinograph'), { mode: 0o700 })
      if (how === 'folder') await mkdir(native(cache), { mode: 0o700 })
      else await symlink(theirs, native(cache))
      await chown(how === 'folder' ? native(cache) : theirs, 12345, 12345)
      const tmp = await fresh()
      const ran = await once(cache, { TMPDIR: tmp })
      expect(ran).toMatchObject(right)
      expect(ran.said).toContain('belongs to another user')
      const [own] = await readdir(tmp)
      expect(await modeOf(join(tmp, own))).toBe(0o700)
      expect((await libraries(join(tmp, own))).length).toBeGreaterThan(1)
      expect(await readdir(native(cache))).toEqual([])
    }
  })

  it.each(['/proc/self/nothing', '/dev/null', '/proc'])(
    'that cannot be had, as in %s, is replaced by a private one',
    { timeout: 120000 },
    async (cache) => {
      const tmp = await fresh()
      const ran = await once(cache, { TMPDIR: tmp })
      expect(ran).toMatchObject(right)
      expect(ran.said).toContain('XDG_CACHE_HOME names another place')
      // found again by the next one
      await once(cache, { TMPDIR: tmp })
      expect((await readdir(tmp)).filter((f) => f.startsWith('dinograph-native'))).toHaveLength(1)
    },
  )

  it('loses what killed compilers have left, an hour later, and keeps what is being made', { timeout: 120000 }, async () => {
    const cache = await filled()
    const folder = native(cache)
    const [plan] = (await readdir(folder)).filter((f) => f.startsWith('plan-'))
    const then = new Date(Date.now() - 2 * 3600 * 1000)
    for (const [name, when] of [
      ['making-dead', then],
      ['making-alive', new Date()],
    ] as const) {
      await mkdir(join(folder, name))
      await writeFile(join(folder, name, 'step.0.c'), '')
      await utimes(join(folder, name), when, when)
    }
    await writeFile(join(folder, `${plan}.123.0123abcd`), '')
    await utimes(join(folder, `${plan}.123.0123abcd`), then, then)
    await truncate(join(folder, plan), 0)
    await once(cache)
    const left = await readdir(folder)
    expect(left).toContain('making-alive')
    expect(left).not.toContain('making-dead')
    expect(left).not.toContain(`${plan}.123.0123abcd`)
  })
})

describe('CC', () => {
  it('may be several words, as with ccache', { timeout: 120000 }, async () => {
    const cache = await fresh()
    const wrapper = join(cache, 'wrap')
    await writeFile(wrapper, `#!/bin/sh\necho "$@" >> ${cache}/calls\nexec "$@"\n`)
    await chmod(wrapper, 0o755)
    expect(await once(cache, { CC: `${wrapper}  cc` })).toMatchObject(right)
    expect(await readFile(join(cache, 'calls'), 'utf8')).toMatch(/^cc --version\ncc -std=gnu11/)
  })
})
