/** A run that is not judged where that is asked for: no time for pictures, and nothing said of an untrained network. */
import { mkdtemp, readFile, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { live } from './lived.ts'
import { quick } from './quick.ts'

test('evaluation.before and evaluation.report leave them out, and may change when a run is continued', { timeout: 240_000 }, async () => {
  const out = await mkdtemp(join(tmpdir(), 'dinograph-unjudged-'))
  const first = await live([...quick, '--steps', '2', '--out', out, '--set', 'evaluation.before=false', '--set', 'evaluation.report=false'])
  expect(first.code, first.stderr).toBe(0)
  expect(first.stderr).not.toContain('before training')
  expect(await readdir(out)).not.toContain('report.html')
  const summary = await readFile(join(out, 'summary.json'), 'utf8')
  expect(summary).toContain('knn_after')
  expect(summary).not.toMatch(/knn_before|knn_pixels/)

  const more = await live([
    '--config',
    join(out, 'config.yaml'),
    '--resume',
    '--out',
    out,
    '--steps',
    '3',
    '--set',
    'evaluation.report=true',
  ])
  expect(more.code, more.stderr).toBe(0)
  expect(await readdir(out)).toContain('report.html')
})

test('a run that is stopped writes no page either where none is asked for, and says how it ended', { timeout: 240_000 }, async () => {
  const out = await mkdtemp(join(tmpdir(), 'dinograph-unjudged-'))
  const how = { whenSaid: /step +1\/400/, signal: 'SIGINT' } as const
  const words = [...quick, '--steps', '400', '--out', out, '--set', 'evaluation.before=false']
  const stopped = await live([...words, '--set', 'evaluation.report=false'], how)
  expect(stopped.code, stopped.stderr).toBe(0)
  expect(stopped.stderr).toContain('continue with')
  expect(stopped.stderr).not.toMatch(/^report: /m)
  expect(await readdir(out)).not.toContain('report.html')
  expect(await readFile(join(out, 'summary.json'), 'utf8')).toMatch(/"ending": *"stopped"/)
})
