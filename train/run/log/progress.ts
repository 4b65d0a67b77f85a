/**
 * The live line of a run, on stderr: rewritten in place on a terminal, a plain line every few seconds when piped. Only
 * what is shown depends on the clock; nothing computed does.
 */

import pc from 'picocolors'
import { shownText, withoutSecrets } from '../../../core/text.ts'
import { clock as steady, showDuration, showNumber, showRate } from './numbers.ts'

/** What one step reports. */
export interface Tick {
  /** Steps done, and how many there will be. */
  readonly step: number
  readonly steps: number
  /** Images that this step took. */
  readonly images: number
  /** Seconds of the step itself, where other work comes between steps; else all since the one before. */
  readonly seconds?: number
  /** What to show, in this order: `loss` first, then its terms. */
  readonly values: Readonly<Record<string, number>>
}

/** The pace of a run, smoothed over about the last 20 steps. */
export interface Pace {
  /** Seconds from step to step, with what comes between: evaluations, checkpoints. */
  readonly stepSeconds: number
  /** Seconds of a step itself. */
  readonly ownSeconds: number
  /** Of steps themselves, as `images_per_s` of `metrics.jsonl` is. */
  readonly imagesPerSecond: number
  readonly observed: number
}

/** No step was seen yet. */
export const noPace: Pace = { stepSeconds: 0, ownSeconds: 0, imagesPerSecond: 0, observed: 0 }

/**
 * The pace after a step, given the seconds since the one before and those of its own: means of the first 20 steps, then exponential ones of
 * that length.
 */
export const observe =
  (seconds: number, images: number, own = seconds) =>
  (p: Pace): Pace => {
    const weight = 1 / Math.min(20, p.observed + 1)
    const mean = (before: number, now: number): number => before + weight * (now - before)
    const ownSeconds = mean(p.ownSeconds, own)
    const meanImages = mean(p.imagesPerSecond * p.ownSeconds, images)
    return {
      stepSeconds: mean(p.stepSeconds, seconds),
      ownSeconds,
      imagesPerSecond: ownSeconds > 0 ? meanImages / ownSeconds : 0,
      observed: p.observed + 1,
    }
  }

/** Seconds until the last step, at this pace; NaN before the first. */
export const secondsLeft = (pace: Pace, t: Tick): number => (pace.observed === 0 ? NaN : Math.max(0, t.steps - t.step) * pace.stepSeconds)

/** The line without colours: `step 120/400  loss 5.301  dino 4.100  |  812 images/s  left 2m 05s`; no pace before the second step. */
export const progressLine = (pace: Pace, t: Tick): string => {
  const values = Object.entries(t.values).map(([name, v]) => `${name} ${showNumber(v)}`)
  const head = `step ${String(t.step).padStart(String(t.steps).length)}/${t.steps}  ${values.join('  ')}`
  if (pace.observed === 0) return head
  return `${head}  |  ${showRate(pace.imagesPerSecond)} images/s${t.step >= t.steps ? '' : `  left ${showDuration(secondsLeft(pace, t))}`}`
}

/** Where the line goes. */
export interface Terminal {
  readonly write: (text: string) => void
  /** Rewrites in place when true. */
  readonly live: boolean
  readonly colours: boolean
  /** Characters in a line, asked each time since windows change. */
  readonly columns: () => number
}

/** The process's stderr; colours follow the terminal and NO_COLOR. */
export const stderrTerminal = (): Terminal => ({
  write: (text) => {
    process.stderr.write(text)
  },
  live: process.stderr.isTTY,
  colours: process.stderr.isTTY && pc.isColorSupported && process.env['NO_COLOR'] === undefined,
  columns: () => (process.stderr.isTTY && process.stderr.columns > 0 ? process.stderr.columns : 80),
})

/** A terminal that shows nothing, for programs that are used as functions. */
export const silentTerminal: Terminal = { write: () => undefined, live: false, colours: false, columns: () => 80 }

/** A live line in use. */
export interface Progress {
  /** Shows a step. */
  readonly tick: (t: Tick) => void
  /** Writes a line of its own, above the live one. */
  readonly say: (text: string) => void
  /** Shows the last step, whenever it came, and leaves the line. */
  readonly end: () => void
  /** The pace so far, for the final report. */
  readonly pace: () => Pace
}

/** How much is said on the way: notes and warnings alone; what is usual; what was tried, too. */
export type Speech = 'quiet' | 'usual' | 'verbose'

/** Whether a line is said where nothing else is: it tells what is otherwise than one might think. */
export const isNote = (text: string): boolean => /^(note|warning)\b/.test(text)

/** How a live line behaves; the defaults are those of a command. */
export interface ProgressOptions {
  readonly terminal?: Terminal
  /** Seconds of a steady clock. */
  readonly clock?: () => number
  /** Seconds between plain lines when piped. */
  readonly plainEvery?: number
  /** Seconds between rewrites on a terminal. */
  readonly liveEvery?: number
  readonly speech?: Speech
}

const clip = (text: string, columns: number): string => {
  const width = Math.max(10, columns - 1)
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}

const paint = (line: string): string => {
  const bar = line.indexOf('  |  ')
  return bar < 0 ? line : line.slice(0, bar) + pc.createColors(true).dim(line.slice(bar))
}

/**
 * Begins a live line. Its state (the pace, what was shown when) is its own; the first step of a run is not counted in
 * the pace, because it compiles and warms up.
 */
export const startProgress = (options: ProgressOptions = {}): Progress => {
  const { terminal = stderrTerminal(), clock = steady, plainEvery = 5, liveEvery = 0.1, speech = 'usual' } = options
  const isQuiet = speech === 'quiet'
  let pace = noPace
  let last: Tick | undefined
  let lastAt = clock()
  let shownAt = -Infinity
  let shownStep: number | undefined
  const erase = terminal.live ? '\r\u001b[2K' : ''
  const show = (t: Tick): void => {
    const line = terminal.live ? clip(progressLine(pace, t), terminal.columns()) : progressLine(pace, t)
    terminal.write(erase + (terminal.colours ? paint(line) : line) + (terminal.live ? '' : '\n'))
    shownStep = t.step
  }
  return {
    tick: (t) => {
      const now = clock()
      if (last !== undefined && t.step > last.step) pace = observe((now - lastAt) / (t.step - last.step), t.images, t.seconds)(pace)
      last = t
      lastAt = now
      if (!isQuiet && now - shownAt >= (terminal.live ? liveEvery : plainEvery)) {
        shownAt = now
        show(t)
      }
    },
    say: (text) => {
      if (isQuiet && !isNote(text)) return
      terminal.write(`${erase}${withoutSecrets(process.env)(shownText(text))}\n`)
      if (terminal.live && last !== undefined && !isQuiet) show(last)
    },
    end: () => {
      if (isQuiet) return
      if (last !== undefined && (terminal.live || shownStep !== last.step)) show(last)
      if (terminal.live && last !== undefined) terminal.write('\n')
      last = undefined
    },
    pace: () => pace,
  }
}
