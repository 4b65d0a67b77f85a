/**
 * A page for browsers of this machine: bound to 127.0.0.1, read and never written to. A page from elsewhere that a browser has open cannot
 * read it: names that lead here by a foreign server of names are refused, and so is being shown within another page.
 */
import { createServer } from 'node:http'
import * as E from 'fp-ts/lib/Either.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import { codeOf, fault, messageOf } from '../../core/fault.ts'
import type { Live } from '../judge/report/live.ts'

/** What is asked for. */
export interface Asked {
  readonly method: string
  readonly url: string
  readonly host: string | undefined
}

/** What is answered. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const always: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

const plainly = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  headers: { ...always, 'content-type': 'text/plain; charset=utf-8', ...headers },
  body: `${body}\n`,
})

/** Names of this machine alone, with any port. */
const isLocal = (host: string | undefined): boolean => host !== undefined && /^(localhost|127\.0\.0\.1)(:\d{1,5})?$/i.test(host)

/** The answer to a request. Law, tested: nothing of the page but to a GET or HEAD of `/`, by a name of this machine. */
export const answer = async ({ method, url, host }: Asked, page: () => Promise<Live>): Promise<Answer> => {
  if (!isLocal(host)) return plainly(403, 'Only localhost and 127.0.0.1 are answered.')
  if (method !== 'GET' && method !== 'HEAD') return plainly(405, 'The page can be read, and nothing else.', { allow: 'GET, HEAD' })
  if (!/^\/(\?.*)?$/.test(url)) return plainly(404, 'There is one page: /')
  const { text, again } = await page()
  return { status: 200, headers: { ...always, 'content-type': 'text/html; charset=utf-8', refresh: String(again) }, body: text }
}

/** A server under way. */
export interface Serving {
  readonly url: string
  readonly end: () => Promise<void>
}

const noPort = (port: number, e: unknown): Fault =>
  fault('usage', {
    place: '--port',
    found: codeOf(e) === 'EADDRINUSE' ? `port ${port}, which another program has` : `port ${port}: ${messageOf(e)}`,
    allowed: 'a port of this machine that is free and may be had',
    remedy: 'name another, or 0 for any: --port 0',
  })

/** Serves a page on a port of 127.0.0.1; 0: any that is free. Fault: a port that cannot be had. */
export const serve =
  (port: number, page: () => Promise<Live>): TaskEither<Fault, Serving> =>
  () =>
    new Promise((resolve) => {
      const server = createServer((request, response) => {
        const { method = '', url = '', headers } = request
        request.resume()
        answer({ method, url, host: headers.host }, page).then(
          (a) => {
            response.writeHead(a.status, { ...a.headers, 'content-length': Buffer.byteLength(a.body) })
            response.end(method === 'HEAD' ? '' : a.body)
          },
          () => {
            response.destroy()
          },
        )
      })
      server.once('error', (e) => {
        resolve(E.left(noPort(port, e)))
      })
      server.listen(port, '127.0.0.1', () => {
        const address = server.address()
        const own = typeof address === 'object' && address !== null ? address.port : port
        resolve(
          E.right({
            url: `http://127.0.0.1:${own}/`,
            end: () =>
              new Promise<void>((ended) => {
                server.close(() => {
                  ended()
                })
                server.closeAllConnections()
              }),
          }),
        )
      })
    })
