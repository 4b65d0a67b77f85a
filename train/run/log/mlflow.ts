/**
 * MLflow over its REST interface (version 2.0): one run with the configuration as parameters and every step's numbers as metrics. A
 * run that is continued goes on in the same run of the server, whose id is kept in `mlflow.json`.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import { masked } from '../../../core/text.ts'
import { join as joinPath } from '../../../core/tree.ts'
import type { Json } from '../../../data/formats/codec.ts'
import { decodeAs } from '../../../data/formats/codec.ts'
import { writeText } from '../../../data/formats/file.ts'
import type { Ending, Log, Tracked } from './log.ts'
import type { StepRecord } from './metrics.ts'

export interface MlflowOptions extends Tracked {
  readonly uri: string
  readonly experiment: string
  /** Who logs in: the variables that MLflow's own clients read. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Steps that are sent together. */
const batchSteps = 25

/** Milliseconds that a server may take to answer. */
const patience = 10_000

const away = (uri: string, found: string): Fault =>
  fault('io', {
    place: `MLflow at ${masked(uri)}`,
    found: masked(found),
    allowed: 'a tracking server that answers',
    remedy: 'start the server, correct runtime.mlflow.uri, or set runtime.mlflow to null',
  })

/** The server does not know who asks. */
const locked = (uri: string, status: number, known: boolean): Fault =>
  fault('io', {
    place: `MLflow at ${masked(uri)}`,
    found: `status ${status}: ${known ? 'the user and password, or the token, of the environment are refused' : 'it asks for a user and a password'}`,
    allowed: 'MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment',
    remedy: known ? 'correct them' : 'set them',
  })

/** What says who asks, by the environment: HTTP's Basic (RFC 7617), or a token. */
const authorization = ({
  MLFLOW_TRACKING_USERNAME: user,
  MLFLOW_TRACKING_PASSWORD: password,
  MLFLOW_TRACKING_TOKEN: token,
}: MlflowOptions['environment']): Readonly<Record<string, string>> =>
  user !== undefined && user !== '' && password !== undefined
    ? { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
    : token !== undefined && token !== ''
      ? { authorization: `Bearer ${token}` }
      : {}

interface Answer {
  readonly status: number
  readonly body: unknown
}

/** A server, and who asks it. */
type Server = Pick<MlflowOptions, 'uri' | 'environment'>

const call =
  ({ uri, environment }: Server, method: 'GET' | 'POST', path: string, body?: Json): TaskEither<Fault, Answer> =>
  async () => {
    try {
      const known = authorization(environment)
      const response = await fetch(`${uri.replace(/\/+$/, '')}/api/2.0/mlflow/${path}`, {
        method,
        signal: AbortSignal.timeout(patience),
        headers: { ...known, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      if (response.status === 401 || response.status === 403) {
        await response.body?.cancel()
        return E.left(locked(uri, response.status, 'authorization' in known))
      }
      const text = await response.text()
      const parsed: unknown = text === '' ? {} : JSON.parse(text)
      return E.right({ status: response.status, body: parsed })
    } catch (e) {
      const cause = e instanceof Error && e.cause instanceof Error ? `: ${e.cause.message}` : ''
      return E.left(away(uri, `${messageOf(e)}${cause}`))
    }
  }

/** A call that must succeed. */
const done = <A>(server: Server, path: string, codec: t.Type<A, unknown>, body: Json): TaskEither<Fault, A> =>
  pipe(
    call(server, 'POST', path, body),
    TE.chainEitherK((a): Either<Fault, A> =>
      a.status === 200
        ? decodeAs(
            codec,
            'io',
            `MLflow at ${masked(server.uri)}: ${path}`,
            'check the version of the server: its REST interface 2.0 is used',
          )(a.body)
        : E.left(away(server.uri, `${path}: status ${a.status}, ${JSON.stringify(a.body).slice(0, 200)}`)),
    ),
  )

const found = t.type({ experiment: t.type({ experiment_id: t.string }) })
const made = t.type({ experiment_id: t.string })
const begun = t.type({ run: t.type({ info: t.type({ run_id: t.string }) }) })
const nothing = t.UnknownRecord
const kept = t.type({ uri: t.string, run_id: t.string })

/** The experiment's id; a server says 404 where there is none yet. */
const experimentOf = (o: MlflowOptions): TaskEither<Fault, string> =>
  pipe(
    call(o, 'GET', `experiments/get-by-name?experiment_name=${encodeURIComponent(o.experiment)}`),
    TE.chain((a) => {
      const known = found.decode(a.body)
      if (a.status === 200 && E.isRight(known)) return TE.right(known.right.experiment.experiment_id)
      return a.status === 404
        ? pipe(
            done(o, 'experiments/create', made, { name: o.experiment }),
            TE.map((m) => m.experiment_id),
          )
        : TE.left(away(o.uri, `status ${a.status} for the experiment ${o.experiment}`))
    }),
  )

/** Settings by path, as texts of at most the 500 characters that servers take. */
const parametersOf = (config: Json, at = ''): ReadonlyArray<{ readonly key: string; readonly value: string }> =>
  typeof config === 'object' && config !== null && !Array.isArray(config)
    ? Object.entries(config).flatMap(([k, v]) => parametersOf(v, joinPath(at, k)))
    : [{ key: at, value: (typeof config === 'string' ? config : JSON.stringify(config)).slice(0, 500) }]

/** The server's run that a continued run goes on in. */
const earlier = (o: MlflowOptions) => async (): Promise<string | undefined> => {
  if (o.resumeAt === undefined) return undefined
  try {
    const parsed: unknown = JSON.parse(await readFile(join(o.out, 'mlflow.json'), 'utf8'))
    const k = kept.decode(parsed)
    return E.isRight(k) && k.right.uri === o.uri ? k.right.run_id : undefined
  } catch {
    return undefined
  }
}

const begin = (o: MlflowOptions): TaskEither<Fault, string> =>
  pipe(
    experimentOf(o),
    TE.chain((id) =>
      done(o, 'runs/create', begun, {
        experiment_id: id,
        run_name: o.name,
        start_time: o.now(),
        tags: [{ key: 'mlflow.source.name', value: 'dinograph' }],
      }),
    ),
    TE.map((b) => b.run.info.run_id),
    TE.chainFirst((run_id) =>
      pipe(
        // 100 parameters are the most that a call may have
        Array.from({ length: Math.ceil(parametersOf(o.config).length / 100) }, (_, i) =>
          parametersOf(o.config).slice(100 * i, 100 * (i + 1)),
        ),
        TE.traverseSeqArray((params) => done(o, 'runs/log-batch', nothing, { run_id, params })),
      ),
    ),
    TE.chainFirst((run_id) => writeText(join(o.out, 'mlflow.json'), `${JSON.stringify({ uri: o.uri, run_id })}\n`)),
  )

interface Metric {
  readonly [name: string]: Json
  readonly key: string
  readonly value: number
  readonly timestamp: number
  readonly step: number
}

const metricsOf = ({ step, ...values }: StepRecord, timestamp: number): ReadonlyArray<Metric> =>
  Object.entries(values).flatMap(([key, value]) =>
    typeof value === 'number' && Number.isFinite(value) ? [{ key, value, timestamp, step }] : [],
  )

const statusOf: { readonly [E in Ending]: string } = {
  finished: 'FINISHED',
  time: 'FINISHED',
  early: 'FINISHED',
  collapsed: 'FINISHED',
  stopped: 'KILLED',
  failed: 'FAILED',
}

/** Sends the numbers of a run to the server, some steps at a time. A server that goes away later is reported once, and training goes on. */
const over = (o: MlflowOptions, run_id: string): Log => {
  let waiting: ReadonlyArray<Metric> = []
  let silent = false
  const lost = (f: Fault): TaskEither<Fault, void> => {
    if (!silent) o.say(`note: ${f.place} does not answer any more (${f.found}): its metrics are incomplete, metrics.jsonl is not`)
    silent = true
    return TE.right(undefined)
  }
  const flush = (): TaskEither<Fault, void> => {
    // 1000 metrics are the most that a call may have
    const parts = Array.from({ length: Math.ceil(waiting.length / 1000) }, (_, i) => waiting.slice(1000 * i, 1000 * (i + 1)))
    waiting = []
    return silent
      ? TE.right(undefined)
      : pipe(
          parts,
          TE.traverseSeqArray((metrics) => done(o, 'runs/log-batch', nothing, { run_id, metrics: [...metrics] })),
          TE.map(() => undefined),
          TE.orElse(lost),
        )
  }
  return {
    append: (record) => {
      waiting = [...waiting, ...metricsOf(record, o.now())]
      return record.step % batchSteps === 0 ? flush() : TE.right(undefined)
    },
    settle: () => flush()(),
    close: (ending) =>
      pipe(
        flush(),
        TE.chain(() => (silent ? TE.right({}) : done(o, 'runs/update', nothing, { run_id, status: statusOf[ending], end_time: o.now() }))),
        TE.map(() => undefined),
        TE.orElse(lost),
      ),
  }
}

/** Begins a run on a server, or goes on with one. Fault: a server that does not answer, before anything is trained. */
export const openMlflow = (o: MlflowOptions): TaskEither<Fault, Log> =>
  pipe(
    TE.fromTask(earlier(o)),
    TE.chain((id) => (id === undefined ? begin(o) : TE.right(id))),
    TE.map((id) => over(o, id)),
  )
