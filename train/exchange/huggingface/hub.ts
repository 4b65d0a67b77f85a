/**
 * Models by their id on a hub (`owner/name`, `owner/name@revision`), through `@huggingface/hub`, into the cache that Python's
 * huggingface_hub shares. As there, the environment says where: HF_ENDPOINT, HF_HUB_CACHE, HF_HOME, HF_TOKEN (or the token file),
 * HF_HUB_OFFLINE.
 */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import { cachedSnapshot, keep, setRef, storageOf } from './cache.ts'
import type { RemoteFile, Source } from './cache.ts'
import { weightsFile } from './files.ts'
import { orPath } from './beside.ts'
import { whatIs } from '../../../data/formats/file.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Where models come from, and where they are kept. */
export interface Hub {
  readonly endpoint: string
  readonly cache: string
  readonly token: string | undefined
  readonly offline: boolean
}

const isTrue = (v: string | undefined): boolean => /^(1|on|yes|true)$/i.test(v ?? '')
const filled = (...vs: ReadonlyArray<string | undefined>): string | undefined => vs.find((v) => v !== undefined && v.trim() !== '')

/** The hub as the environment describes it; a token that no variable gives is read from its file. */
export const hubOf =
  (env: Environment): TaskEither<Fault, Hub> =>
  async () => {
    const home = filled(env.HF_HOME) ?? join(filled(env.XDG_CACHE_HOME) ?? join(homedir(), '.cache'), 'huggingface')
    const file = filled(env.HF_TOKEN_PATH) ?? join(home, 'token')
    const token = filled(env.HF_TOKEN, env.HUGGING_FACE_HUB_TOKEN) ?? filled(await readFile(file, 'utf8').catch(() => ''))
    return E.right({
      endpoint: (filled(env.HF_ENDPOINT) ?? 'https://huggingface.co').replace(/\/+$/, ''),
      cache: filled(env.HF_HUB_CACHE, env.HUGGINGFACE_HUB_CACHE) ?? join(home, 'hub'),
      token: token?.trim(),
      offline: isTrue(filled(env.HF_HUB_OFFLINE, env.TRANSFORMERS_OFFLINE)),
    })
  }

/** A model on a hub. */
export interface ModelId {
  readonly name: string
  readonly revision: string
}

/** `owner/name` or `owner/name@revision`; none for anything else, which is a path. */
export const parseId = (text: string): O.Option<ModelId> => {
  const found = /^(\w[\w.-]*\/\w[\w.-]*)(?:@([\w./-]+))?$/.exec(text)
  return found === null || text.includes('..') || /\.(safetensors|json|bin|pth|pt|ckpt)$/.test(text)
    ? O.none
    : O.some({ name: found[1], revision: found[2] ?? 'main' })
}

/** The token goes to the hub alone, never to the stores that it sends downloads to (redirects to other origins lose it). */
const fetchOf =
  (hub: Hub): typeof fetch =>
  (url, init) => {
    const to = new URL(url instanceof Request ? url.url : url)
    const headers = new Headers(init?.headers)
    if (hub.token !== undefined && to.origin === new URL(hub.endpoint).origin) headers.set('Authorization', `Bearer ${hub.token}`)
    return fetch(url, { ...init, headers })
  }

const reasonOf = (e: unknown): string =>
  e instanceof Error && e.cause instanceof Error ? `${e.message}: ${e.cause.message}` : messageOf(e)

/** What a hub refuses, or that it cannot be reached, in words. */
const refused =
  (hub: Hub, id: ModelId) =>
  (e: unknown): Fault => {
    const place = `${id.name}${id.revision === 'main' ? '' : `@${id.revision}`} at ${hub.endpoint}`
    const status = e instanceof Error && 'statusCode' in e ? e.statusCode : undefined
    const access =
      hub.token === undefined
        ? "accept the conditions on the model's page, make a token with read access, and give it as HF_TOKEN"
        : "accept the conditions on the model's page with the account of the token, or give another token as HF_TOKEN"
    switch (status) {
      case undefined:
        return fault('io', {
          place,
          found: reasonOf(e),
          allowed: 'a network that reaches the hub',
          remedy:
            "check the network; behind a mirror set HF_ENDPOINT; without one copy the model's folder here and name the folder, or its cache and set HF_HUB_OFFLINE=1",
        })
      case 401:
      case 403:
        return fault('io', {
          place,
          found: `${status}: ${hub.token === undefined ? 'no token was given' : 'the token gives no access'}`,
          allowed: 'a public model, or a token that may read it (a name that does not exist is refused alike)',
          remedy: `check the name; ${access}`,
        })
      case 404:
        return fault('io', {
          place,
          found: '404: no such model or revision',
          allowed: 'the id of a model, owner/name, or owner/name@revision',
          remedy: `check the name and the revision${hub.token === undefined ? '; a private model needs HF_TOKEN' : ''}`,
        })
      default:
        return fault('io', { place, found: messageOf(e), allowed: 'an answer of the hub', remedy: 'try again later' })
    }
  }

const asking = <A>(hub: Hub, id: ModelId, body: () => Promise<A>): TaskEither<Fault, A> => TE.tryCatch(body, refused(hub, id))

/** Weights as folders have them, best first: whole, or in shards with their index. */
const weightFiles: ReadonlyArray<RegExp> = [
  /^model\.safetensors$/,
  /^model(?:\.safetensors\.index\.json|-\d+-of-\d+\.safetensors)$/,
  /^adapter_model\.safetensors$/,
  /^pytorch_model\.bin$/,
  /^pytorch_model(?:\.bin\.index\.json|-\d+-of-\d+\.bin)$/,
  /^adapter_model\.bin$/,
]

/** Of all files those that make a backbone, or adapters: configuration, preprocessing, and weights whole or in shards. */
const wanted = (place: string, all: ReadonlyArray<string>): Either<Fault, ReadonlyArray<string>> => {
  const [configs, weights] = [
    all.filter((f) => f === 'config.json' || f === 'adapter_config.json'),
    weightFiles.map((pattern) => all.filter((f) => pattern.test(f))).find((found) => found.length > 0) ?? [],
  ]
  return configs.length > 0 && weights.length > 0
    ? E.right([...configs, ...weights, ...all.filter((f) => f === 'preprocessor_config.json' || f === 'processor_config.json')])
    : E.left(
        fault('data', {
          place,
          found: all.join(', ') || 'no files',
          allowed: `config.json and ${weightsFile} (or pytorch_model.bin), or shards with their index; or adapters of peft`,
          remedy: 'choose a model in the format of transformers, timm or peft',
        }),
      )
}

/** What lies in the cache, when the hub is not asked. */
const fromCache = (hub: Hub, id: ModelId): TaskEither<Fault, string> =>
  pipe(
    cachedSnapshot(hub.cache, id, (files) => E.isRight(wanted(id.name, files))),
    TE.chainEitherK(
      E.fromOption(() =>
        fault('io', {
          place: id.name,
          found: `no copy of ${id.revision} in ${storageOf(hub.cache, id.name)}, and HF_HUB_OFFLINE is set`,
          allowed: 'a model that was downloaded before',
          remedy: 'unset HF_HUB_OFFLINE to download it, or set HF_HOME or HF_HUB_CACHE to the cache that holds it',
        }),
      ),
    ),
  )

/** Digests become names of files: they must be nothing else. */
const isDigest = (text: string): boolean => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text)

const listed = (hub: Hub, id: ModelId): TaskEither<Fault, { readonly commit: string; readonly files: ReadonlyArray<RemoteFile> }> => {
  const common = { hubUrl: hub.endpoint, fetch: fetchOf(hub) }
  return pipe(
    asking(hub, id, async () =>
      (await import('@huggingface/hub')).modelInfo({
        ...common,
        name: id.name,
        revision: id.revision,
        additionalFields: ['sha', 'filePaths'],
      }),
    ),
    TE.bindTo('info'),
    TE.bind('paths', ({ info }) => TE.fromEither(wanted(id.name, info.filePaths))),
    TE.bind('entries', ({ info, paths }) =>
      asking(hub, id, async () =>
        (await import('@huggingface/hub')).pathsInfo({ ...common, repo: id.name, revision: info.sha, paths: [...paths] }),
      ),
    ),
    TE.chainEitherK(({ info, paths, entries }) =>
      pipe(
        paths,
        E.traverseArray((path): Either<Fault, RemoteFile> => {
          const entry = entries.find((e) => e.path === path)
          const digest = entry?.lfs?.oid ?? entry?.oid ?? ''
          return entry === undefined || !isDigest(digest) || !isDigest(info.sha)
            ? E.left(
                fault('data', {
                  place: `${id.name}: ${path}`,
                  found: 'a file that the hub lists without a digest',
                  allowed: 'its size, its sha256 or sha1, and the commit',
                  remedy: 'check HF_ENDPOINT, or try again later',
                }),
              )
            : E.right({ path, size: entry.size, digest, url: `${hub.endpoint}/${id.name}/resolve/${info.sha}/${path}` })
        }),
        E.map((files) => ({ commit: info.sha, files })),
      ),
    ),
  )
}

/**
 * The folder of a model in the cache, downloaded as far as it is not there. What was interrupted is continued where it stopped, within
 * one call and in a later one. Where the hub cannot be reached, an earlier copy serves, and that is said. Faults: no network and no copy;
 * no access; no such model; files that are no backbone; bytes that are not those that the hub describes.
 */
export const downloadModel = (hub: Hub, id: ModelId, say: (text: string) => void): TaskEither<Fault, string> => {
  if (hub.offline) return fromCache(hub, id)
  const source: Source = { repo: id.name, hubUrl: hub.endpoint, fetch: fetchOf(hub) }
  return pipe(
    listed(hub, id),
    TE.chain(({ commit, files }) =>
      pipe(
        files,
        TE.traverseSeqArray((file) => keep(hub.cache, commit, source, file, say)),
        TE.chain(() => setRef(hub.cache, id, commit)),
        TE.map(() => join(storageOf(hub.cache, id.name), 'snapshots', commit)),
      ),
    ),
    TE.orElse((f) =>
      f.allowed !== 'a network that reaches the hub'
        ? TE.left(f)
        : pipe(
            fromCache(hub, id),
            TE.mapLeft(() => f),
            TE.chainFirst((folder) =>
              TE.fromIO(() => {
                say(`the hub cannot be reached (${f.found}): using the copy in ${folder}`)
              }),
            ),
          ),
    ),
  )
}

/** A folder or file as it is; the folder of a model that an id names. Faults: neither; those of downloading. */
export const localModel =
  (env: Environment, say: (text: string) => void) =>
  (path: string): TaskEither<Fault, string> =>
    pipe(
      whatIs(path),
      TE.chain((what) =>
        what !== 'nothing'
          ? TE.right(path)
          : pipe(
              parseId(path),
              O.match(
                () =>
                  TE.left(
                    fault('io', {
                      place: path,
                      found: 'nothing',
                      allowed:
                        'a folder of Hugging Face, timm or peft, a file of weights, the folder of a run, or the id of a model (owner/name)',
                      remedy: 'check the path',
                    }),
                  ),
                (id) =>
                  pipe(
                    hubOf(env),
                    TE.chain((hub) => downloadModel(hub, id, say)),
                    TE.orElse(orPath(path)),
                  ),
              ),
            ),
      ),
    )
