/** What `auto` does where there is no C compiler, or one that fails: it goes on, and says why in one line. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openTarget } from '../../compiler/targets/open.ts'
import { must } from '../rules/agreement.ts'

const place = { folder: '' }
beforeEach(async () => {
  place.folder = await mkdtemp(join(tmpdir(), 'dinograph-auto-'))
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(place.folder, { recursive: true, force: true })
})

const described = async (): Promise<{ readonly name: string; readonly description: string }> => {
  const device = await must(openTarget('auto'))
  device.close()
  return device
}

describe('auto', { timeout: 60000 }, () => {
  it('goes on without a C compiler', async () => {
    vi.stubEnv('CC', join(place.folder, 'cc'))
    const { name, description } = await described()
    expect(name).toMatch(/^gpujs:/)
    if (name === 'gpujs:webasm') expect(description).toContain(`no C compiler: ${join(place.folder, 'cc')} is not in PATH`)
    expect(description).not.toContain('\n')
  })

  it('tells what it asks, one line each, and what it takes last', async () => {
    vi.stubEnv('CC', join(place.folder, 'cc'))
    const lines: Array<string> = []
    const device = await must(
      openTarget('auto', {
        tried: (line) => {
          lines.push(line)
        },
      }),
    )
    device.close()
    expect(lines.every((l) => /^auto: (gpujs|native|pjrt)\S* is (not )?(taken|asked): [^\n]*$/.test(l))).toBe(true)
    expect(lines.at(-1)).toContain(`auto: ${device.name} is taken`)
    if (device.name === 'gpujs:webasm') expect(lines.join('\n')).toMatch(/native is not taken: no C compiler/)
  })

  it('goes on with a C compiler that fails', async () => {
    const compiler = join(place.folder, 'cc')
    await writeFile(
      compiler,
      '#!/bin/sh\nif [ "$1" = --version ]; then echo failing 1.0; exit 0; fi\nprintf "no space left\\nin two lines\\n" >&2\nexit 1\n',
    )
    await chmod(compiler, 0o755)
    vi.stubEnv('CC', compiler)
    vi.stubEnv('XDG_CACHE_HOME', place.folder)
    const { name, description } = await described()
    expect(name).toMatch(/^gpujs:/)
    if (name === 'gpujs:webasm') expect(description).toContain('native does not run here: no space left')
    expect(description).not.toContain('\n')
  })
})
