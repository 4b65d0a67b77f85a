/** Members of tar archives, as GNU tar writes them. */

/** The header of a member. */
export const tarHeader = (name: string, length: number, kind = '0'): Buffer => {
  const h = Buffer.alloc(512)
  h.write(name.slice(0, 100), 0)
  h.write(`${length.toString(8).padStart(11, '0')}\0`, 124)
  h.write(kind, 156)
  h.write('ustar\x0000', 257)
  h.fill(' ', 148, 156)
  h.write(
    `${h
      .reduce((a, b) => a + b, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  return h
}

const filled = (b: Buffer): Buffer => Buffer.concat([b, Buffer.alloc((512 - (b.length % 512)) % 512)])

/** A member with its header, long names before it. */
export const tarMember = (name: string, body: Buffer | string): Buffer => {
  const bytes = Buffer.from(body)
  const long = name.length > 100 ? [tarHeader('././@LongLink', name.length + 1, 'L'), filled(Buffer.from(`${name}\0`))] : []
  return Buffer.concat([...long, tarHeader(name, bytes.length), filled(bytes)])
}
