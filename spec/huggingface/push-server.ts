/** A small hub that models are sent to: it makes repositories, says which files are large, and takes them and commits. */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import * as t from 'io-ts'
import { decodeAs } from '../../data/formats/codec.ts'
import { right } from '../data/either.ts'
import { sha256 } from './hub-server.ts'

export interface PushHub {
  readonly url: string
  readonly server: Server
  /** Files by repository and path, as commits left them. */
  readonly repositories: ReadonlyMap<string, ReadonlyMap<string, Buffer>>
  /** What was asked, as `METHOD path status`. */
  readonly seen: ReadonlyArray<string>
}

const repository = t.type({ organization: t.string, name: t.string })
const asked = t.type({ files: t.readonlyArray(t.type({ path: t.string })) })
const info = t.type({ objects: t.readonlyArray(t.type({ oid: t.string, size: t.number })) })
const line = t.union([
  t.type({ key: t.literal('file'), value: t.type({ path: t.string, content: t.string }) }),
  t.type({ key: t.literal('lfsFile'), value: t.type({ path: t.string, oid: t.string }) }),
  t.type({ key: t.literal('header'), value: t.UnknownRecord }),
])

/** What a client has sent, or a failed test. */
const sent = <A>(codec: t.Type<A, unknown>, text: string): A => {
  const json: unknown = JSON.parse(text)
  return right(decodeAs(codec, 'data', 'a request', 'send what the hub takes')(json))
}

const bodyOf = async (q: IncomingMessage): Promise<Buffer> => {
  const parts: Buffer[] = []
  for await (const part of q) if (part instanceof Uint8Array) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}

/** Takes what comes with this token. */
export const startPushHub = async (token: string): Promise<PushHub> => {
  const repositories = new Map<string, Map<string, Buffer>>()
  const large = new Map<string, Buffer>()
  const seen: string[] = []
  let url = ''
  const answer = async (q: IncomingMessage, r: ServerResponse): Promise<void> => {
    const path = decodeURIComponent(new URL(q.url ?? '/', 'http://hub').pathname)
    const body = await bodyOf(q)
    const reply = (status: number, value: unknown): void => {
      seen.push(`${q.method ?? ''} ${path} ${status}`)
      r.writeHead(status, { 'Content-Type': 'application/json' })
      r.end(JSON.stringify(value))
    }
    // addresses of uploads are signed: they take no token
    const upload = /^\/upload\/(\w+)$/.exec(path)
    if (upload !== null) {
      if (sha256(body) !== upload[1]) {
        reply(400, { error: 'other bytes' })
        return
      }
      large.set(upload[1], body)
      reply(200, {})
      return
    }
    if (q.headers.authorization !== `Bearer ${token}`) {
      reply(401, { error: 'Invalid credentials' })
      return
    }
    if (path === '/api/repos/create') {
      const { organization, name } = sent(repository, body.toString())
      const full = `${organization}/${name}`
      if (repositories.has(full)) {
        reply(409, { error: 'You already created this model repo' })
        return
      }
      repositories.set(full, new Map())
      reply(200, { url: `${url}/${full}` })
      return
    }
    const [, name = '', what = ''] = /^\/(?:api\/models\/)?([\w-]+\/[\w-]+)(?:\.git)?\/(preupload|info|commit)/.exec(path) ?? []
    const files = repositories.get(name)
    if (files === undefined) {
      reply(404, { error: 'Repository not found' })
      return
    }
    if (what === 'preupload') {
      const wanted = sent(asked, body.toString())
      reply(200, { files: wanted.files.map((f) => ({ path: f.path, uploadMode: f.path.endsWith('.safetensors') ? 'lfs' : 'regular' })) })
    } else if (what === 'info') {
      const { objects } = sent(info, body.toString())
      reply(200, { transfer: 'basic', objects: objects.map((o) => ({ ...o, actions: { upload: { href: `${url}/upload/${o.oid}` } } })) })
    } else {
      for (const text of body.toString().split('\n')) {
        const { key, value } = sent(line, text)
        if (key === 'file') files.set(value.path, Buffer.from(value.content, 'base64'))
        else if (key === 'lfsFile') files.set(value.path, large.get(value.oid) ?? Buffer.alloc(0))
      }
      reply(200, { success: true, commitOid: 'c'.repeat(40), commitUrl: `${url}/${name}/commit/${'c'.repeat(40)}`, hookOutput: '' })
    }
  }
  const server = createServer((q, r) => void answer(q, r))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  return { url, server, repositories, seen }
}
