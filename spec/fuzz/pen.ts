/** A child within limits: 10 s of processor for an input and 1 GiB of resident memory. One that dies or has to go is replaced. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { mostResident } from '../support/resident.ts'
import type { Order, Reply } from './child.ts'

const program = fileURLToPath(new URL('child.ts', import.meta.url))

const cpuSeconds = 10
const residentBytes = 2 ** 30

/** Processor's seconds and resident bytes of a process, as Linux counts them. */
const usage = (pid: number): { readonly cpu: number; readonly resident: number } | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { cpu: (Number(words[11]) + Number(words[12])) / 100, resident: mostResident(pid) }
  } catch {
    return undefined
  }
}

/** What came of an order: how many were read and refused, and what was wrong, with the number of the input. */
export interface Outcome {
  readonly read: number
  readonly refused: number
  readonly wrong: ReadonlyArray<{ readonly input: number; readonly found: string }>
  /** The input at which the child was lost. */
  readonly lost?: number
  /** It was lost for its memory. */
  readonly full?: boolean
}

export interface Pen {
  readonly ask: (o: Order) => Promise<Outcome>
  readonly close: () => void
}

export const openPen = (): Pen => {
  let child: ChildProcess | undefined
  const once = (o: Order): Promise<Outcome> =>
    new Promise((done) => {
      const own = (child ??= fork(program, {
        execArgv: ['--import', 'tsx', '--max-old-space-size=768'],
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      }))
      const state = { input: -1, from: 0, stderr: '', why: '' }
      const wrong: Array<{ readonly input: number; readonly found: string }> = []
      const { pid = 0 } = own
      const watch = setInterval(() => {
        const u = usage(pid)
        if (u === undefined || state.input < 0) return
        if (u.cpu - state.from > cpuSeconds) state.why = `more than ${cpuSeconds} s of processor`
        else if (u.resident > residentBytes) state.why = `${Math.round(u.resident / 2 ** 20)} MiB of resident memory`
        if (state.why !== '') own.kill('SIGKILL')
      }, 100)
      const finish = (outcome: Outcome): void => {
        clearInterval(watch)
        own.removeAllListeners()
        own.stderr?.removeAllListeners()
        done(outcome)
      }
      own.stderr?.on('data', (d: Buffer) => {
        state.stderr = (state.stderr + d.toString()).slice(-2000)
      })
      own.on('message', (r: Reply) => {
        if (r._tag === 'Begins') {
          state.input = r.input
          state.from = usage(pid)?.cpu ?? 0
        } else if (r._tag === 'Wrong') wrong.push(r)
        else finish({ read: r.read, refused: r.refused, wrong })
      })
      own.on('exit', (code, signal) => {
        child = undefined
        const found =
          state.why === '' ? `the process ended with ${signal ?? `code ${code}`}: ${state.stderr.trim().slice(-600)}` : state.why
        const full = state.why.endsWith('memory')
        finish({ read: 0, refused: 0, wrong: [...wrong, { input: state.input, found }], lost: state.input, full })
      })
      own.send(o)
    })
  /** Memory that inputs before it have left counts with an input's own: one that goes over the limit is read alone, in a new process. */
  const ask = async (o: Order): Promise<Outcome> => {
    const r = await once(o)
    if (r.lost === undefined || r.full !== true || o._tag === 'File' || o.count === 1) return r
    const alone = await once({ ...o, from: r.lost, count: 1 })
    return {
      read: r.read + alone.read,
      refused: r.refused + alone.refused,
      wrong: [...r.wrong.filter((w) => w.input !== r.lost), ...alone.wrong],
      lost: r.lost,
    }
  }
  return {
    ask,
    close: () => {
      child?.disconnect()
    },
  }
}
