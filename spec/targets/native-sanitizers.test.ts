/** Generated code and the runtime under AddressSanitizer and UndefinedBehaviorSanitizer. */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const script = fileURLToPath(new URL('native-sanitized.ts', import.meta.url))

/** The sanitizer's library as the system's gcc names it; empty where there is none. */
const libraryOf = (name: string): string => {
  try {
    const path = execFileSync('cc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim()
    return existsSync(path) ? path : ''
  } catch {
    return ''
  }
}

const outcome = (flags: string, preload: string): Promise<string> =>
  new Promise((done) => {
    execFile(
      process.execPath,
      ['--import', 'tsx', script, flags],
      {
        env: {
          ...process.env,
          LD_PRELOAD: preload,
          ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1',
          UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
        },
        maxBuffer: 1 << 24,
      },
      (_, stdout, stderr) => {
        done(`${stdout}${stderr}`)
      },
    )
  })

const [asan, ubsan] = [libraryOf('libasan.so'), libraryOf('libubsan.so')]

describe('sanitizers find nothing', () => {
  it.skipIf(asan === '')('AddressSanitizer', { timeout: 300000 }, async () => {
    const text = await outcome('-fsanitize=address -g', asan)
    expect(text).not.toContain('AddressSanitizer')
    expect(text).toContain('clean')
  })
  it.skipIf(ubsan === '')('UndefinedBehaviorSanitizer', { timeout: 300000 }, async () => {
    const text = await outcome('-fsanitize=undefined -fno-sanitize-recover=undefined -g', ubsan)
    expect(text).not.toContain('runtime error')
    expect(text).toContain('clean')
  })
})
