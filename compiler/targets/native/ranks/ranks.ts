/** Ranks by MPI: its library is found through `mpicc`, and ours compiled against it once for a machine. */
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../../core/fault.ts'
import { fault, messageOf } from '../../../../core/fault.ts'
import type { Async, Call } from '../../foreign.ts'
import { asAddress, keepLoaded, koffi, later } from '../../foreign.ts'
import type { Compiler } from '../compiler.ts'
import { findCompiler, libraryOf } from '../compiler.ts'
import type { Launched } from './launcher.ts'

export type Met = { readonly _tag: 'Met'; readonly most: number } | { readonly _tag: 'Late' } | { readonly _tag: 'Differ' }

/** This process among others. All that waits runs off the main thread, and every rank has to call the same in the same order. */
export interface Ranks {
  readonly rank: number
  readonly ranks: number
  /** Ranks of this machine. */
  readonly near: number
  /** The MPI that is at work, in words. */
  readonly library: string
  /** Where programs reach the others (runtime/collective.h). */
  readonly collective: bigint
  /** Seconds that a rank waits for others within a step. */
  readonly patience: number
  /** The bytes of all ranks, one after the other. */
  readonly gather: (bytes: Uint8Array) => Promise<Uint8Array>
  /** The largest of what all ranks bring, where `same` is the same on all; within some seconds (0: however long it takes). */
  readonly meet: (brought: number, same: number, seconds: number) => Promise<Met>
  /** Ends all ranks, at once, with an exit code. */
  readonly abort: (code: number) => void
  /** Called by all ranks before they end well. */
  readonly leave: () => void
}

/**
 * What UCX and libfabric, which MPICH stands on, must not do in Node: to learn of memory that is unmapped they take its calls over, and try
 * that out by moving the end of the heap, while Node's threads do so too. A page was lost in one of 15 starts. And signals are
 * Node's own. A user who sets these variables knows better.
 */
const quiet: Readonly<Record<string, string>> = {
  UCX_MEM_EVENTS: 'no',
  UCX_MEM_MMAP_HOOK_MODE: 'none',
  UCX_HANDLE_ERRORS: 'none',
  FI_MR_CACHE_MONITOR: 'disabled',
}

const source = fileURLToPath(new URL('mpi.c', import.meta.url))

const remedy =
  'install one (pip install mpich, or apt install mpich) and start the run with its mpirun, or name its mpicc in DINOGRAPH_MPICC; or start the run without a launcher'

/** `mpicc` as a compiler; its words are part of every library's name. */
const mpiCompiler = (c: Compiler): Compiler | Fault => {
  const command = process.env.DINOGRAPH_MPICC ?? 'mpicc'
  const shown = spawnSync(command, ['-show'], { encoding: 'utf8' })
  return shown.status === 0
    ? { ...c, command, words: [], version: `${c.version}\n${shown.stdout.trim()}` }
    : fault('target', {
        place: 'ranks',
        found: `no MPI: ${command} ${shown.error === undefined ? `ended with exit code ${shown.status ?? 1}` : 'is not in PATH'}`,
        allowed: 'MPICH or Open MPI with their mpicc',
        remedy,
      })
}

/** Joins the others. Faults: no `mpicc`; one of another MPI than the launcher's. */
export const joinRanks =
  (launched: Launched, patience: number): TaskEither<Fault, Ranks> =>
  async () => {
    try {
      const compiler = await findCompiler()
      if ('_tag' in compiler) return E.left(compiler)
      const mpi = mpiCompiler(compiler)
      if ('_tag' in mpi) return E.left(mpi)
      const path = await libraryOf(mpi, 'ranks', [await readFile(source, 'utf8')])
      if (typeof path !== 'string') return E.left(path)
      // read when the libraries are loaded
      for (const [name, value] of Object.entries(quiet)) process.env[name] ??= value
      const lib = koffi.load(path)
      // programs call into it by address, and MPI has handlers of its own
      keepLoaded(path)
      const join: Call = lib.func('int32_t dg_join()')
      const [rank, ranks, near]: ReadonlyArray<Call> = ['rank', 'ranks', 'near'].map((f) => lib.func(`int32_t dg_${f}()`))
      const library: Call = lib.func('void dg_library(void *text)')
      const address: Call = lib.func('int64_t dg_collective_address()')
      const setPatience: Call = lib.func('void dg_patience(double seconds)')
      const abort: Call = lib.func('void dg_abort(int32_t code)')
      const leave: Call = lib.func('void dg_leave()')
      const gather: Async = lib.func('void dg_gather(void *x, void *all, int64_t n)')
      const meet: Async = lib.func('int32_t dg_meet(int32_t brought, int32_t same, double seconds)')
      const joined = join()
      if (joined === -1)
        return E.left(
          fault('target', {
            place: 'ranks',
            found: 'a launcher whose socket (PMI_FD) did not come through the programs between it and this one',
            allowed: 'a launcher that may be reached',
            remedy: 'start the run with mpirun -pmi-port …, or without npx and npm: mpirun -n N node --import tsx FILE.ts',
          }),
        )
      const text = new Uint8Array(8192)
      library(text)
      const name = new TextDecoder()
        .decode(text.subarray(0, text.indexOf(0)))
        .split(/[\n,]/)[0]
        .trim()
      const all = Number(ranks())
      if (joined !== 1 || all !== launched.ranks) {
        return E.left(
          fault('target', {
            place: 'ranks',
            found:
              joined === 1
                ? `${all} rank${all === 1 ? '' : 's'} by ${name}, where the launcher started ${launched.ranks}`
                : `${name} without threads`,
            allowed: 'mpirun and mpicc of one MPI, which may be called from several threads',
            remedy,
          }),
        )
      }
      setPatience(patience)
      return E.right({
        rank: Number(rank()),
        ranks: all,
        near: Number(near()),
        patience,
        library: name,
        collective: asAddress(address()),
        gather: async (bytes) => {
          const whole = new Uint8Array(bytes.length * all)
          await later(gather, bytes, whole, bytes.length)
          return whole
        },
        meet: async (brought, same, seconds) => {
          const most = Number(await later(meet, brought, same, seconds))
          return most === -1 ? { _tag: 'Late' } : most === -2 ? { _tag: 'Differ' } : { _tag: 'Met', most }
        },
        abort: (code) => {
          abort(code)
        },
        leave: () => {
          leave()
        },
      })
    } catch (e) {
      return E.left(fault('target', { place: 'ranks', found: messageOf(e), allowed: 'an MPI that loads', remedy }))
    }
  }
