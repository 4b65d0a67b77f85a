/** Sends the files of a model to a hub, through `@huggingface/hub`. Who sends it is in the environment alone (HF_TOKEN). */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import type { Hub } from './hub.ts'
import { parseId } from './hub.ts'

export interface Push {
  /** `owner/name`, or `owner/name@branch` of a repository that has this branch. */
  readonly repo: string
  readonly folder: string
  /** Names of files in the folder. */
  readonly files: ReadonlyArray<string>
  /** README.md. */
  readonly card: string
  /** Whether a repository that has to be made is private. */
  readonly hidden: boolean
}

const wrongId = (found: string): Fault =>
  fault('usage', { place: '--repo', found, allowed: 'owner/name', remedy: 'name the repository as the hub shows it: --repo OWNER/NAME' })

const noToken = (hub: Hub): Fault =>
  fault('usage', {
    place: hub.endpoint,
    found: 'no token',
    allowed: 'a token that may write, in HF_TOKEN or where huggingface-cli login has put it',
    remedy: 'make one with write access in the settings of the hub, and give it as HF_TOKEN',
  })

const offline: Fault = fault('usage', {
  place: 'HF_HUB_OFFLINE',
  found: 'set',
  allowed: 'a network, to send a model',
  remedy: 'unset HF_HUB_OFFLINE',
})

const refused =
  (hub: Hub, repo: string) =>
  (e: unknown): Fault => {
    const status = e instanceof Error && 'statusCode' in e && typeof e.statusCode === 'number' ? e.statusCode : undefined
    const denied = status === 401 || status === 403 || status === 404
    const named = status === undefined ? '' : `${status}: `
    return fault('io', {
      place: `${repo} at ${hub.endpoint}`,
      found: `${named}${e instanceof Error && e.cause instanceof Error ? `${e.message}: ${e.cause.message}` : messageOf(e)}`,
      allowed: denied ? 'a token that may write into this repository' : 'a hub that takes the files',
      remedy: denied
        ? 'check the name of --repo, and give a token with write access as HF_TOKEN'
        : 'check the network and HF_ENDPOINT, and send it again: what was not finished has changed nothing',
    })
  }

/**
 * One commit with all files and the card; the repository is made where there is none. Gives the address of the model. Faults: no token;
 * what the hub refuses, or that it cannot be reached.
 */
export const pushModel = (hub: Hub, p: Push, say: (text: string) => void): TaskEither<Fault, string> => {
  const id = parseId(p.repo)
  if (O.isNone(id)) return TE.left(wrongId(p.repo))
  if (hub.offline) return TE.left(offline)
  const { token: accessToken } = hub
  if (accessToken === undefined) return TE.left(noToken(hub))
  const { name, revision: branch } = id.value
  const where = { repo: { type: 'model', name } as const, hubUrl: hub.endpoint, accessToken }
  return TE.tryCatch(
    async () => {
      const { createRepo, commit } = await import('@huggingface/hub')
      const files = await Promise.all(p.files.map(async (path) => ({ path, content: new Blob([await readFile(join(p.folder, path))]) })))
      await createRepo({ ...where, visibility: p.hidden ? 'private' : 'public' }).then(
        () => {
          say(`${name} is made`)
        },
        (e: unknown) => {
          // there is one: it gets another commit
          if (!(e instanceof Error && 'statusCode' in e && e.statusCode === 409)) throw e
        },
      )
      const done = await commit({
        ...where,
        branch,
        title: 'Model and card written by Dinograph',
        operations: [...files, { path: 'README.md', content: new Blob([p.card]) }].map((f) => ({
          operation: 'addOrUpdate' as const,
          ...f,
        })),
      })
      say(`sent ${files.length + 1} files to ${name}${done === undefined ? '' : `, commit ${done.commit.oid}`}`)
      return `${hub.endpoint}/${name}`
    },
    refused(hub, p.repo),
  )
}

/** The files of a folder of Hugging Face that make the model, with what pictures become. */
export const modelFiles = (written: ReadonlyArray<string>): ReadonlyArray<string> =>
  written.filter((n) => /\.(?:json|safetensors)$/.test(n))
