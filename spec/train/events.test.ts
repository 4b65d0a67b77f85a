/** Event files as TensorBoard reads them, and a server of MLflow as small as can be. */
import { mkdtemp, readFile, readdir } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../data/formats/codec.ts'
import { crc32c, openEvents, record, scalarEvent } from '../../train/run/log/events.ts'
import type { MlflowOptions } from '../../train/run/log/mlflow.ts'
import { openMlflow } from '../../train/run/log/mlflow.ts'
import { left, right } from '../data/either.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-'))

describe('event files', () => {
  test('have checksums as published (RFC 3720, B.4)', () => {
    expect(crc32c(new Uint8Array(32)).toString(16)).toBe('8a9136aa')
    expect(crc32c(new Uint8Array(32).fill(255)).toString(16)).toBe('62a8ab43')
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)).toString(16)).toBe('46dd794e')
  })
  test('hold messages byte by byte as tensorflow writes them', () => {
    // wall_time 1.5, step 300, summary { value { tag "a", simple_value 0.5 } }
    expect(Buffer.from(scalarEvent(1.5, 300, { a: 0.5 })).toString('hex')).toBe('09000000000000f83f10ac022a0a0a080a0161150000003f')
    expect(Buffer.from(record(Uint8Array.of(1, 2, 3))).toString('hex')).toMatch(/^0300000000000000[0-9a-f]{8}010203[0-9a-f]{8}$/)
  })
  test('are one file for each part of a run, whole records each', async () => {
    const out = await folder()
    for (const resumeAt of [undefined, 2]) {
      const log = right(await openEvents({ out, resumeAt, config: 'steps: 3', now: () => 1000 + (resumeAt ?? 0) })())
      for (let step = (resumeAt ?? 0) + 1; step <= 3; step++) right(await log.append({ step, loss: step / 3, note: 'x' })())
      right(await log.close('finished')())
    }
    const names = (await readdir(out)).sort()
    expect(names.map((n) => n.replace(/(tfevents\.\d+).*/, '$1'))).toEqual(['events.out.tfevents.1000', 'events.out.tfevents.1002'])
    const bytes = await readFile(join(out, names[0]))
    let records = 0
    for (let at = 0; at < bytes.length; records++) {
      const n = bytes.readUInt32LE(at)
      const masked = (c: number): number => (((c >>> 15) | (c << 17)) + 0xa282ead8) >>> 0
      expect(bytes.readUInt32LE(at + 12 + n)).toBe(masked(crc32c(bytes.subarray(at + 12, at + 12 + n))))
      at += 16 + n
    }
    expect(records).toBe(6)
  })
  test('come behind those before by their names, also where the clock was set back', async () => {
    const out = await folder()
    for (const now of [1000, 500, 500]) {
      const log = right(await openEvents({ out, resumeAt: now === 1000 ? undefined : 2, config: '', now: () => now })())
      right(await log.append({ step: 3, loss: now })())
      right(await log.settle())
      right(await log.close('finished')())
    }
    const seconds = (await readdir(out)).map((n) => Number(/tfevents\.(\d+)/.exec(n)?.[1])).sort((a, b) => a - b)
    expect(seconds).toEqual([1000, 1001, 1002])
  })
})

interface Call {
  readonly path: string
  readonly body: unknown
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

/** Answers as MLflow does, and remembers what it was asked. */
const served = async <A>(use: (uri: string, calls: Array<Call>, close: () => Promise<void>) => Promise<A>): Promise<A> => {
  const calls: Array<Call> = []
  let known = false
  const server = createServer((request, response) => {
    void bodyOf(request).then((text) => {
      const path = (request.url ?? '').replace('/api/2.0/mlflow/', '')
      const body: unknown = text === '' ? null : JSON.parse(text)
      calls.push({ path, body })
      const answer = (status: number, json: Json): void => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
      }
      if (path.startsWith('experiments/get-by-name')) {
        answer(
          known ? 200 : 404,
          known ? { experiment: { experiment_id: '7', name: 'digits' } } : { error_code: 'RESOURCE_DOES_NOT_EXIST' },
        )
        return
      }
      if (path === 'experiments/create') {
        known = true
        answer(200, { experiment_id: '7' })
        return
      }
      answer(200, path === 'runs/create' ? { run: { info: { run_id: 'r1', status: 'RUNNING' } } } : {})
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections()
      server.close(() => {
        resolve()
      })
    })
  try {
    return await use(`http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`, calls, close)
  } finally {
    await close()
  }
}

describe('MLflow', () => {
  const options = (uri: string, out: string, said: Array<string>): MlflowOptions => ({
    uri,
    experiment: 'digits',
    out,
    name: 'a run',
    config: { steps: 60, model: { width: 8 }, crops: [1, 2] },
    resumeAt: undefined,
    environment: {},
    now: () => 5,
    say: (text) => {
      said.push(text)
    },
  })

  test('is told parameters, metrics some steps at a time, and how the run ended; a run that is continued goes on', async () => {
    await served(async (uri, calls) => {
      const [out, said] = [await folder(), new Array<string>()]
      const log = right(await openMlflow(options(uri, out, said))())
      for (let step = 1; step <= 30; step++) right(await log.append({ step, loss: 1 / step, bad: NaN })())
      right(await log.close('stopped')())
      expect(calls.map((c) => c.path)).toEqual([
        'experiments/get-by-name?experiment_name=digits',
        'experiments/create',
        'runs/create',
        'runs/log-batch',
        'runs/log-batch',
        'runs/log-batch',
        'runs/update',
      ])
      expect(calls[3].body).toEqual({
        run_id: 'r1',
        params: [
          { key: 'steps', value: '60' },
          { key: 'model.width', value: '8' },
          { key: 'crops', value: '[1,2]' },
        ],
      })
      expect(calls[5].body).toEqual({
        run_id: 'r1',
        metrics: [26, 27, 28, 29, 30].map((step) => ({ key: 'loss', value: 1 / step, timestamp: 5, step })),
      })
      expect(calls[6].body).toEqual({ run_id: 'r1', status: 'KILLED', end_time: 5 })
      const again = right(await openMlflow({ ...options(uri, out, said), resumeAt: 30 })())
      right(await again.append({ step: 31, loss: 2 })())
      right(await again.close('finished')())
      expect(calls.slice(7).map((c) => c.path)).toEqual(['runs/log-batch', 'runs/update'])
      expect(said).toEqual([])
    })
  })
  test('has all steps that a checkpoint has', async () => {
    await served(async (uri, calls) => {
      const log = right(await openMlflow(options(uri, await folder(), []))())
      for (let step = 1; step <= 3; step++) right(await log.append({ step, loss: 1 })())
      right(await log.settle())
      expect(calls.at(-1)?.body).toEqual({
        run_id: 'r1',
        metrics: [1, 2, 3].map((step) => ({ key: 'loss', value: 1, timestamp: 5, step })),
      })
    })
  })
  test('that does not answer is a fault before training, and told once after', async () => {
    const [out, said] = [await folder(), new Array<string>()]
    const log = await served(async (uri, _, close) => {
      const opened = right(await openMlflow(options(uri, out, said))())
      await close()
      return opened
    })
    for (let step = 1; step <= 60; step++) right(await log.append({ step, loss: 1 })())
    right(await log.close('finished')())
    expect(said).toHaveLength(1)
    expect(said[0]).toMatch(/^note: MLflow at http:\/\/127\.0\.0\.1:\d+ does not answer any more/)
    expect(left(await openMlflow(options('http://127.0.0.1:1', out, said))()).remedy).toContain('runtime.mlflow')
  })
})
