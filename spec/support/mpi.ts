/** Programs of two ranks, where this machine has an MPI (`.ci/run` requires one). */
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'

/** `mpirun`, by DINOGRAPH_MPIRUN or in PATH. */
const mpirun = process.env.DINOGRAPH_MPIRUN ?? 'mpirun'

const version = spawnSync(mpirun, ['--version'], { encoding: 'utf8' })
/** What it calls itself; nothing where it could not be started. */
const called = version.status === 0 ? version.stdout : ''

/** Why there are no ranks here; nothing where there are, or must be. */
export const noRanks: string | undefined =
  version.status === 0 || process.env.DINOGRAPH_REQUIRE_MPI === '1'
    ? undefined
    : 'no mpirun in PATH: pip install mpich (or apt install mpich) brings one'

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
  readonly seconds: number
}

/** Open MPI has as many ranks as cores, unless it is told; MPICH does not mind. */
const more = called.includes('Open MPI') ? ['--oversubscribe', '--allow-run-as-root'] : []

/** Runs words as `ranks` processes; `meanwhile` is given what they have said so far. */
export const underMpi = (
  ranks: number,
  words: ReadonlyArray<string>,
  meanwhile: (said: string, pid: number) => void = () => undefined,
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> =>
  new Promise((done, fail) => {
    const from = performance.now()
    const child = spawn(mpirun, [...more, '-n', `${ranks}`, ...words], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const said = { out: '', err: '' }
    child.stdout.on('data', (text: Buffer) => {
      said.out += text.toString()
    })
    child.stderr.on('data', (text: Buffer) => {
      said.err += text.toString()
      meanwhile(said.err, child.pid ?? 0)
    })
    child.on('error', fail)
    child.on('close', (code) => {
      done({ code, ...said, seconds: (performance.now() - from) / 1000 })
    })
  })

/** Processes of a rank, of those that were started with a word such as the run's folder. */
export const processesOf = (word: string, rank: number): ReadonlyArray<number> =>
  readdirSync('/proc').flatMap((name) => {
    try {
      const [line, environment] = [readFileSync(`/proc/${name}/cmdline`, 'utf8'), readFileSync(`/proc/${name}/environ`, 'utf8')]
      const called = new RegExp(`(^|\\0)(PMI_RANK|OMPI_COMM_WORLD_RANK)=${rank}(\\0|$)`)
      return line.split('\0').includes(word) && called.test(environment) ? [Number(name)] : []
    } catch {
      // no process, or one that has ended since
      return []
    }
  })
