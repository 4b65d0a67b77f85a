/** A small hub on this machine: the API that `@huggingface/hub` asks, with tokens, refusals, and answers that break off. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'

export interface HubFiles {
  readonly commit: string
  readonly files: ReadonlyMap<string, Buffer>
  /** Refuses whoever does not send this token. */
  readonly token?: string
}

/** How the hub behaves; tests change it as they go. */
export interface Behaviour {
  /** Bytes of a download after which the connection is cut, or at which it stands still where negative; each entry serves once. */
  cuts: number[]
  /** Every request as `METHOD path [range]`. */
  readonly seen: string[]
  /** Serves other bytes than it describes. */
  corrupt: boolean
}

export const sha1 = (b: Buffer): string => createHash('sha1').update(`blob ${b.length}\0`).update(b).digest('hex')
export const sha256 = (b: Buffer): string => createHash('sha256').update(b).digest('hex')

const isLarge = (path: string): boolean => path.endsWith('.safetensors')

const json = (r: ServerResponse, status: number, value: unknown): void => {
  r.writeHead(status, { 'Content-Type': 'application/json' })
  r.end(JSON.stringify(value))
}

const served = (r: ServerResponse, range: string | undefined, whole: Buffer, behaviour: Behaviour): void => {
  const from = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0)
  const all = behaviour.corrupt ? Buffer.from(whole.map((x) => x ^ 1)) : whole
  const bytes = all.subarray(from)
  r.writeHead(range === undefined ? 200 : 206, {
    'Content-Length': bytes.length,
    'Content-Range': `bytes ${from}-${whole.length - 1}/${whole.length}`,
  })
  const cut = behaviour.cuts.shift()
  if (cut !== undefined && cut < 0) r.write(bytes.subarray(0, -cut))
  else if (cut === undefined || cut >= bytes.length) r.end(bytes)
  else
    r.write(bytes.subarray(0, cut), () => {
      setTimeout(() => r.destroy(), 20)
    })
}

const answer =
  (models: ReadonlyMap<string, HubFiles>, behaviour: Behaviour) =>
  (q: IncomingMessage, r: ServerResponse): void => {
    const path = decodeURIComponent(new URL(q.url ?? '/', 'http://hub').pathname)
    behaviour.seen.push([q.method, path, ...(q.headers.range === undefined ? [] : [q.headers.range])].join(' '))
    const found = /^\/(?:api\/models\/)?([\w.-]+\/[\w.-]+)\/(revision|paths-info|resolve)\/([^/]+)(?:\/(.*))?$/.exec(path)
    const model = models.get(found?.[1] ?? '')
    if (found === null || model === undefined) {
      json(r, 401, { error: 'Repository not found' })
      return
    }
    if (model.token !== undefined && q.headers.authorization !== `Bearer ${model.token}`) {
      json(r, 401, { error: 'Invalid credentials' })
      return
    }
    const [, , what, revision, file] = found
    if (revision !== 'main' && revision !== model.commit) {
      json(r, 404, { error: `Invalid rev id: ${revision}` })
      return
    }
    if (what === 'revision') {
      json(r, 200, {
        _id: '1',
        id: found[1],
        sha: model.commit,
        private: false,
        gated: false,
        downloads: 0,
        likes: 0,
        lastModified: '2026-01-01T00:00:00.000Z',
        siblings: [...model.files.keys()].map((rfilename) => ({ rfilename })),
      })
    } else if (what === 'paths-info') {
      json(
        r,
        200,
        [...model.files].map(([name, b]) => ({
          type: 'file',
          path: name,
          size: b.length,
          oid: isLarge(name) ? sha1(Buffer.from(name)) : sha1(b),
          ...(isLarge(name) ? { lfs: { oid: sha256(b), size: b.length, pointerSize: 130 } } : {}),
        })),
      )
    } else {
      const bytes = model.files.get(file ?? '')
      if (bytes === undefined) json(r, 404, { error: 'Entry not found' })
      else served(r, q.headers.range, bytes, behaviour)
    }
  }

/** Starts the hub on a free port of 127.0.0.1. */
export const startHub = async (
  models: ReadonlyMap<string, HubFiles>,
): Promise<{ readonly url: string; readonly behaviour: Behaviour; readonly server: Server }> => {
  const behaviour: Behaviour = { cuts: [], seen: [], corrupt: false }
  const server = createServer(answer(models, behaviour))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  return { url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`, behaviour, server }
}
