/** The cache of compiled libraries: shared by processes, whole or absent; and compilers that fail. */
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const script = fileURLToPath(new URL('native-sanitized.ts', import.meta.url))
const place = { folder: '' }
beforeAll(async () => {
  place.folder = await mkdtemp(join(tmpdir(), 'dinograph-cache-'))
})
afterAll(() => rm(place.folder, { recursive: true, force: true }))

const outcome = (env: Readonly<Record<string, string>>): Promise<string> =>
  new Promise((done) => {
    execFile(process.execPath, ['--import', 'tsx', script], { env: { ...process.env, ...env } }, (_, stdout, stderr) => {
      done(`${stdout}${stderr}`)
    })
  })

describe('the cache', () => {
  it('is safe when several processes compile the same at once', { timeout: 300000 }, async () => {
    const cache = join(place.folder, 'shared')
    const texts = await Promise.all([1, 2, 3].map(() => outcome({ XDG_CACHE_HOME: cache })))
    for (const text of texts) expect(text).toContain('clean')
    const files = await readdir(join(cache, 'dinograph', 'native'))
    // no half-made file stays behind under a name that would be loaded
    for (const f of files.filter((n) => n.endsWith('.so'))) expect(f).toMatch(/^(runtime|step)-[0-9a-f]{40}\.so$/)
  })

  it('makes a plan again that is cut short, and one whose library is gone', { timeout: 300000 }, async () => {
    const cache = join(place.folder, 'shared')
    const folder = join(cache, 'dinograph', 'native')
    expect(await outcome({ XDG_CACHE_HOME: cache })).toContain('clean')
    const files = await readdir(folder)
    const [first, second] = files.filter((f) => f.startsWith('plan-'))
    await truncate(join(folder, first), 50)
    await truncate(join(folder, second), 0)
    await rm(join(folder, files.find((f) => /^step-.*\.so$/.test(f)) ?? ''))
    expect(await outcome({ XDG_CACHE_HOME: cache })).toContain('clean')
    expect((await readdir(folder)).sort()).toEqual(files.sort())
  })

  it(
    'keeps what was used within thirty days, libraries with their texts, and drops the rest when a plan is put in',
    { timeout: 300000 },
    async () => {
      const cache = join(place.folder, 'shared')
      const folder = join(cache, 'dinograph', 'native')
      const files = (await readdir(folder)).sort()
      const old = ['step-0000.so', 'step-0000.0.c', 'plan-0000.msgpack']
      for (const f of old) await writeFile(join(folder, f), 'left behind')
      await writeFile(join(folder, 'step-1111.so'), 'of today')
      await writeFile(join(folder, 'step-1111.0.c'), 'of today')
      const then = new Date(Date.now() - 31 * 24 * 3600 * 1000)
      for (const f of [...files, ...old, 'step-1111.0.c']) await utimes(join(folder, f), then, then)
      // everything is used, and one plan made again
      await truncate(join(folder, files.find((f) => f.startsWith('plan-')) ?? ''), 0)
      expect(await outcome({ XDG_CACHE_HOME: cache })).toContain('clean')
      // plans that this program reads after the one that was made may have gone and come back
      expect((await readdir(folder)).sort()).toEqual([...files, 'step-1111.so', 'step-1111.0.c'].sort())
      for (const f of ['step-1111.so', 'step-1111.0.c']) await rm(join(folder, f))
    },
  )

  it('is distinguished from other compilers, and a compiler that fails is explained', { timeout: 60000 }, async () => {
    const compiler = join(place.folder, 'failing-cc')
    await writeFile(
      compiler,
      '#!/bin/sh\nif [ "$1" = --version ]; then echo failing 1.0; exit 0; fi\necho "no space in this compiler" >&2\nexit 1\n',
    )
    await chmod(compiler, 0o755)
    const text = await outcome({ XDG_CACHE_HOME: join(place.folder, 'other'), CC: compiler })
    expect(text).toContain('no space in this compiler')
    expect(text).toContain('remedy')
  })

  it('says where it may not write', { timeout: 60000 }, async () => {
    const file = join(place.folder, 'file')
    await writeFile(file, '')
    expect(await outcome({ XDG_CACHE_HOME: file })).toContain('XDG_CACHE_HOME')
  })
})
