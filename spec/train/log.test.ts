import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { fault } from '../../core/fault.ts'
import type { Log } from '../../train/run/log/log.ts'
import { everyLog } from '../../train/run/log/logs.ts'
import { keepUpTo, metricsLine, openMetrics } from '../../train/run/log/metrics.ts'
import { showBytes, showDuration, showNumber } from '../../train/run/log/numbers.ts'
import { noPace, observe, progressLine, secondsLeft, startProgress } from '../../train/run/log/progress.ts'
import type { Terminal } from '../../train/run/log/progress.ts'
import { left, right } from '../data/either.ts'

describe('numbers', () => {
  test('are short', () => {
    expect([0, 7, 2.3144, 0.04131, 0.5, 12830.4, 1.234e-7, 3e9, -0.25, NaN, -Infinity].map(showNumber)).toEqual([
      '0',
      '7',
      '2.314',
      '0.0413',
      '0.500',
      '12830',
      '1.23e-7',
      '3.00e9',
      '-0.250',
      'nan',
      '-inf',
    ])
    expect([0.84, 9.94, 42, 59.6, 185, 3599.7, 7640, 273600, NaN].map(showDuration)).toEqual([
      '0.8s',
      '9.9s',
      '42s',
      '1m 00s',
      '3m 05s',
      '1h 00m',
      '2h 07m',
      '3d 04h',
      '?',
    ])
    expect([0, 812, 1023, 1024, 1536, 24 * 2 ** 20, 2 ** 50].map(showBytes)).toEqual([
      '0 B',
      '812 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '24 MiB',
      '1024 TiB',
    ])
    fc.assert(
      fc.property(fc.double(), (v) => {
        expect(showNumber(v).length).toBeLessThanOrEqual(10)
      }),
    )
  })
})

describe('the pace', () => {
  test('of even steps is exact from the first on', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 100, noNaN: true }), fc.integer({ min: 1, max: 60 }), (seconds, n) => {
        let p = noPace
        for (let i = 0; i < n; i++) p = observe(seconds, 64)(p)
        expect(p.stepSeconds).toBeCloseTo(seconds, 9)
        expect(p.imagesPerSecond * seconds).toBeCloseTo(64, 6)
        expect(secondsLeft(p, { step: 3, steps: 13, images: 64, values: {} })).toBeCloseTo(10 * seconds, 6)
      }),
    )
    expect(secondsLeft(noPace, { step: 0, steps: 5, images: 1, values: {} })).toBeNaN()
  })
})

const recorder = (live: boolean, columns = 80) => {
  const out: string[] = []
  const terminal: Terminal = {
    write: (t) => {
      out.push(t)
    },
    live,
    colours: false,
    columns: () => columns,
  }
  return { out, terminal }
}

describe('the live line', () => {
  const tick = (step: number) => ({ step, steps: 100, images: 32, values: { loss: 5.25, dino: 4.125 } })

  test('is rewritten in place on a terminal, cut to its width, with messages above it', () => {
    const { out, terminal } = recorder(true, 40)
    let now = 0
    const p = startProgress({ terminal, clock: () => now })
    for (let i = 1; i <= 10; i++) {
      now += 0.05
      p.tick(tick(i))
    }
    p.say('checkpoint written')
    p.end()
    p.end()
    expect(out.filter((t) => t.includes('step')).length).toBeLessThanOrEqual(8)
    expect(out[0].startsWith('\r\u001b[2Kstep   1/100  loss 5.250')).toBe(true)
    for (const t of out) expect(t.replace('\r\u001b[2K', '').replace('\n', '').length).toBeLessThan(40)
    expect(out).toContain('\r\u001b[2Kcheckpoint written\n')
    expect(out.at(-1)).toBe('\n')
    expect(p.pace().stepSeconds).toBeCloseTo(0.05, 9)
  })

  test('is a plain line every few seconds when piped, and the last step is always shown once', () => {
    const { out, terminal } = recorder(false)
    let now = 0
    const p = startProgress({ terminal, clock: () => now, plainEvery: 5 })
    for (let i = 1; i <= 12; i++) {
      p.tick(tick(i))
      now += 1
    }
    p.end()
    expect(out.map((l) => l.slice(0, 13))).toEqual(['step   1/100 ', 'step   6/100 ', 'step  11/100 ', 'step  12/100 '])
    expect(out[3]).toBe('step  12/100  loss 5.250  dino 4.125  |  32 images/s  left 1m 28s\n')
    expect(out.join('')).not.toContain('\u001b')
  })

  test('has the rate of steps themselves, whatever comes between them, which the time that is left counts', () => {
    const { out, terminal } = recorder(false)
    let now = 0
    const p = startProgress({ terminal, clock: () => now })
    for (let i = 1; i <= 10; i++) {
      now += 0.5
      p.tick({ ...tick(i), seconds: 0.5 })
      // an evaluation, and a checkpoint
      now += 7.5
    }
    expect(p.pace()).toMatchObject({ stepSeconds: 8, ownSeconds: 0.5, imagesPerSecond: 64 })
    expect(out.at(-1)).toContain('  |  64 images/s  left 12m 00s')
  })

  test('the first step, which compiles, is not in the pace', () => {
    const { terminal } = recorder(false)
    let now = 0
    const p = startProgress({ terminal, clock: () => now })
    now = 60
    p.tick(tick(1))
    now = 61
    p.tick(tick(2))
    expect(p.pace()).toEqual({ stepSeconds: 1, ownSeconds: 1, imagesPerSecond: 32, observed: 1 })
    expect(progressLine(p.pace(), { ...tick(100), step: 100 })).not.toContain('left')
  })
})

describe('metrics.jsonl', () => {
  const folder = () => mkdtemp(join(tmpdir(), 'dinograph-'))

  test('one object a step; resuming drops what came after and a torn line', async () => {
    const path = join(await folder(), 'run/metrics.jsonl')
    const one = right(await openMetrics(path)())
    for (const step of [1, 2, 3]) right(await one.append({ step, loss: step === 2 ? NaN : step / 2, note: 'a' })())
    right(await one.close())
    expect(await readFile(path, 'utf8')).toBe(
      '{"step":1,"loss":0.5,"note":"a"}\n{"step":2,"loss":null,"note":"a"}\n{"step":3,"loss":1.5,"note":"a"}\n',
    )
    await writeFile(path, `${await readFile(path, 'utf8')}{"step":4,"lo`)
    const two = right(await openMetrics(path, 2)())
    right(await two.append({ step: 3, loss: 9 })())
    right(await two.close())
    expect(await readFile(path, 'utf8')).toBe('{"step":1,"loss":0.5,"note":"a"}\n{"step":2,"loss":null,"note":"a"}\n{"step":3,"loss":9}\n')
    left(await two.append({ step: 4 })())
    const three = right(await openMetrics(path)())
    left(await three.append({ step: NaN })())
    right(await three.close())
    expect(left(await openMetrics(join(path, 'below'))()).kind).toBe('io')
  })

  test('keeping is idempotent and keeps every whole line of the steps', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), fc.nat(20), fc.nat(), (steps, last, cut) => {
        const text = steps.map((step) => metricsLine({ step })).join('')
        const kept = pipe(text, keepUpTo(last))
        expect(keepUpTo(last)(kept)).toBe(kept)
        expect(kept).toBe(
          steps
            .filter((s) => s <= last)
            .map((step) => metricsLine({ step }))
            .join(''),
        )
        expect(kept.startsWith(keepUpTo(last)(text.slice(0, cut % (text.length + 1))))).toBe(true)
      }),
    )
  })
})

describe('several logs', () => {
  test('are closed all of them, whatever one of them cannot do', async () => {
    const closed: Array<string> = []
    const bad = fault('io', { place: 'a disk', found: 'ENOSPC', allowed: 'room', remedy: 'make some' })
    const log = (name: string, fails: boolean): Log => ({
      append: () => TE.right(undefined),
      settle: TE.right(undefined),
      close: () => () => {
        closed.push(name)
        return (fails ? TE.left(bad) : TE.right(undefined))()
      },
    })
    expect(left(await everyLog([log('first', true), log('second', false)]).close('failed')())).toBe(bad)
    expect(closed).toEqual(['first', 'second'])
  })
})
