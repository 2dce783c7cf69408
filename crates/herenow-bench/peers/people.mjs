// Who a client of the benchmark is: its token is its user id, u and six digits.

/** @returns {{userId: string, name: string} | null} the user, or null of a token that is none */
export function userOfToken(token) {
  const digits = /^u(\d{6,})$/.exec(token ?? '')?.[1]
  return digits ? { userId: token, name: `User ${digits}` } : null
}

/** Says where the server listens, on a line that the benchmark waits for. */
export function sayWhere(server) {
  server.listen(0, '127.0.0.1', 4096, () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}`)
  })
}
