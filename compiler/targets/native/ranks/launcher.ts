/** Who started this process: one of several ranks, as launchers of MPI say it in the environment. */

export interface Launched {
  readonly rank: number
  readonly ranks: number
  /** Ranks of this machine. */
  readonly near: number
}

type Environment = Readonly<Record<string, string | undefined>>

/** What launchers call rank, number of ranks, and ranks of a machine: `mpirun` of Open MPI and of MPICH, `srun` with PMIx or PMI-2. */
const names: ReadonlyArray<readonly [rank: string, ranks: string, near: string]> = [
  ['OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_SIZE'],
  ['PMI_RANK', 'PMI_SIZE', 'MPI_LOCALNRANKS'],
  ['PMIX_RANK', 'SLURM_STEP_NUM_TASKS', 'SLURM_STEP_TASKS_PER_NODE'],
  ['SLURM_PROCID', 'SLURM_STEP_NUM_TASKS', 'SLURM_STEP_TASKS_PER_NODE'],
]

const count = (text: string | undefined): number | undefined => {
  const n = Number.parseInt(text ?? '', 10)
  return Number.isInteger(n) && n >= 0 ? n : undefined
}

/** Nothing where this process is alone. */
export const launchedBy = (env: Environment): Launched | undefined => {
  for (const [rank, ranks, near] of names) {
    const [r, n] = [count(env[rank]), count(env[ranks])]
    if (r !== undefined && n !== undefined && n > 1) return { rank: r, ranks: n, near: count(env[near]) ?? n }
  }
  return undefined
}
