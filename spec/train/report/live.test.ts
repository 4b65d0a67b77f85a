/** The page of a run while it goes on, and what is served of it. */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answer, serve } from '../../../train/cli/serving.ts'
import { livePage, livePages } from '../../../train/judge/report/live.ts'
import { recordSummary } from '../../../train/judge/report/record.ts'
import { left, right } from '../../data/either.ts'
import { root as checkout } from '../../rooms/rooms.ts'
import { program } from '../../support/built.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'live-'))
})
afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

const record = (step: number): string => `${JSON.stringify({ step, loss: 9 - step / 10, images_per_s: 100 })}\n`

describe('the page of a folder', () => {
  test('follows the run: none yet, half a file, steps, its own page at the end, and steps again when it goes on', async () => {
    const run = join(root, 'run')
    const before = await livePage(run)
    expect([before.text.includes('No run yet'), before.again]).toEqual([true, 2])
    await mkdir(run)
    await writeFile(join(run, 'config.yaml'), 'steps: [')
    expect((await livePage(run)).text).toContain('Not readable now')
    await writeFile(join(run, 'config.yaml'), 'steps: 30\n')
    expect((await livePage(run)).text).toContain('at step 0 of 30: not finished')
    await writeFile(join(run, 'metrics.jsonl'), `${record(1)}${record(2)}{"step":3,"lo`)
    const going = await livePage(run)
    expect(going.text).toMatch(/at step 2 of 30: not finished[^]*<svg/)
    expect(going.again).toBeGreaterThanOrEqual(5)
    right(await recordSummary(run, { ending: 'finished', metrics: {} })())
    await writeFile(join(run, 'report.html'), 'as the run wrote it')
    expect((await livePage(run)).text).toBe('as the run wrote it')
    // a page of before the run was gone on with is none of it
    await utimes(join(run, 'report.html'), 1, 1)
    expect((await livePage(run)).text).toContain('finished')
  })
  test('is drawn once for readers that come together, and anew for those that come back', async () => {
    const run = join(root, 'readers')
    let now = 0
    const page = livePages(run, () => now)
    const [a, b] = await Promise.all([page(), page()])
    expect(a).toBe(b)
    expect(await page()).toBe(a)
    now += a.again
    await mkdir(run)
    await writeFile(join(run, 'config.yaml'), 'steps: 3\n')
    expect((await page()).text).toContain('at step 0 of 3')
  })
})

const secret = 'loss 1.234'
const page = () => Promise.resolve({ text: secret, again: 5 })
const get = { method: 'GET', url: '/', host: '127.0.0.1:6008' }

describe('what is served', () => {
  test('is the page, for this machine alone, with nothing from anywhere else', async () => {
    const given = await answer(get, page)
    expect(given).toMatchObject({
      status: 200,
      body: secret,
      headers: { refresh: '5', 'cache-control': 'no-store', 'x-frame-options': 'DENY' },
    })
    expect(given.headers['content-security-policy']).toContain("default-src 'none'")
    expect(Object.keys(given.headers)).not.toContain('access-control-allow-origin')
    expect((await answer({ ...get, host: 'LOCALHOST' }, page)).status).toBe(200)
    for (const [change, status] of [
      [{ host: 'evil.example' }, 403],
      [{ host: 'localhost.evil.example:6008' }, 403],
      [{ host: '127.0.0.1.evil.example' }, 403],
      [{ host: undefined }, 403],
      [{ method: 'POST' }, 405],
      [{ method: 'OPTIONS' }, 405],
      [{ url: '/config.yaml' }, 404],
      [{ url: '/../metrics.jsonl' }, 404],
      [{ url: '//x' }, 404],
    ] as const) {
      const refused = await answer({ ...get, ...change }, page)
      expect([refused.status, refused.body.includes(secret)]).toEqual([status, false])
    }
  })
  test('is nothing to any other name or path', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), async (host, url) => {
        const own = /^(localhost|127\.0\.0\.1)(:\d{1,5})?$/i.test(host)
        if (!own) expect((await answer({ ...get, host }, page)).status).toBe(403)
        if (!url.startsWith('/?') && url !== '/') expect((await answer({ ...get, url }, page)).status).toBe(404)
      }),
    )
  })
  test('a port that another program has is a fault whose remedy holds', async () => {
    const first = right(await serve(0, page)())
    const taken = left(await serve(Number(new URL(first.url).port), page)())
    expect([taken.kind, taken.place, taken.remedy.includes('--port 0')]).toEqual(['usage', '--port', true])
    await first.end()
    const again = right(await serve(0, page)())
    expect(await (await fetch(again.url)).text()).toBe(secret)
    await again.end()
  })
})

/** Asks by a name of the server's choice. */
const asked = (url: string, host: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request(url, { headers: { host } }, (r) => {
      r.resume()
      resolve(r.statusCode)
    })
      .on('error', reject)
      .end()
  })

test('the command serves a folder before there is a run, says where, and ends by Ctrl-C', async () => {
  const run = join(root, 'later')
  const child = spawn(process.execPath, [program('train/cli/dinograph.ts'), 'watch', run, '--port', '0', '--json'], {
    cwd: checkout,
  })
  let out = ''
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (text: Buffer) => {
      out += text.toString()
      const said = /^(http:\/\/127\.0\.0\.1:\d+\/) shows /m.exec(out)
      if (said !== null) resolve(said[1])
    })
    child.on('exit', () => {
      reject(new Error(`ended with ${out}`))
    })
  })
  expect(await (await fetch(url)).text()).toContain('No run yet')
  expect([await asked(url, 'rebound.example'), await asked(url, 'localhost')]).toEqual([403, 200])
  const ended = new Promise<number | null>((resolve) => {
    child.removeAllListeners('exit')
    child.on('exit', resolve)
  })
  child.kill('SIGINT')
  expect(await ended).toBe(0)
  expect(JSON.parse(out.trim().split('\n').at(-1) ?? '')).toEqual({ run, url })
}, 60_000)
