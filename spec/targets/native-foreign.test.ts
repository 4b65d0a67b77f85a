/**
 * The whole road to another processor (foreign.ts), here with this machine's own: programs in one binary, kernels in more parts than
 * there are threads.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const script = fileURLToPath(new URL('foreign.ts', import.meta.url))

test('programs that are compiled apart agree with the reference', { timeout: 300000 }, async () => {
  const { code, text } = await new Promise<{ readonly code: number; readonly text: string }>((done) => {
    const child = execFile(
      process.execPath,
      ['--import', 'tsx', script, '--cc', process.env.CC ?? 'cc', '--run', ''],
      (_, stdout, stderr) => {
        done({ code: child.exitCode ?? 1, text: `${stdout}${stderr}` })
      },
    )
  })
  expect(text.split('\n').filter((l) => l.startsWith('FAIL'))).toEqual([])
  expect(text).toContain('PASS')
  expect(code).toBe(0)
})
