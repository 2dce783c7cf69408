// The design that herenow began from, as plainly as it is usually written: one process, `ws`, rooms in a map of sets,
// presence in a map of lists, every join and leave told to everybody with the whole list of viewers. A broadcast is
// encoded once. Typing carries a payload along, so that it can stand for messages of an app.
import http from 'node:http'
import { WebSocketServer } from 'ws'
import { sayWhere, userOfToken } from './people.mjs'

/** Room to its open sockets. */
const rooms = new Map()
/** Room to its entries, one a socket, in the order of joining. */
const presence = new Map()
/** Socket to its user. */
const users = new WeakMap()

function broadcast(room, frame, exclude) {
  const text = JSON.stringify(frame)
  for (const socket of rooms.get(room) ?? []) {
    if (socket !== exclude && socket.readyState === socket.OPEN) socket.send(text)
  }
}

/** The users of a room, each once; the first entry of a user counts. */
function viewersOf(room) {
  const seen = new Set()
  const viewers = []
  for (const { userId, name } of presence.get(room) ?? []) {
    if (seen.has(userId)) continue
    seen.add(userId)
    viewers.push({ userId, name })
  }
  return viewers
}

function join(socket, room) {
  const { userId, name } = users.get(socket)
  if (!rooms.has(room)) {
    rooms.set(room, new Set())
    presence.set(room, [])
  }
  rooms.get(room).add(socket)
  const entries = presence.get(room)
  if (!entries.some((entry) => entry.userId === userId && entry.socket === socket)) {
    entries.push({ socket, userId, name, joinedAt: Date.now() })
  }
  const viewers = viewersOf(room)
  socket.send(JSON.stringify({ type: 'presence', boardId: room, viewers }))
  broadcast(room, { type: 'user_joined', user: { id: userId, name }, viewers }, socket)
}

function leave(socket, room) {
  const entries = presence.get(room) ?? []
  const at = entries.findIndex((entry) => entry.socket === socket)
  if (at < 0) return
  const [{ userId, name }] = entries.splice(at, 1)
  const sockets = rooms.get(room)
  sockets.delete(socket)
  if (sockets.size === 0) {
    rooms.delete(room)
    presence.delete(room)
    return
  }
  broadcast(room, { type: 'user_left', user: { id: userId, name }, viewers: viewersOf(room) })
}

function typing(socket, { type, boardId, data }) {
  const { userId, name } = users.get(socket)
  const kind = type === 'typing' ? 'user_typing' : 'user_stopped_typing'
  broadcast(boardId, { type: kind, user: { id: userId, name }, data }, socket)
}

function handleMessage(socket, text) {
  let frame
  try {
    frame = JSON.parse(text)
  } catch {
    socket.send(JSON.stringify({ error: 'Invalid JSON' }))
    return
  }
  switch (frame.type) {
    case 'join':
      join(socket, frame.boardId)
      break
    case 'leave':
      leave(socket, frame.boardId)
      break
    case 'typing':
    case 'stop_typing':
      typing(socket, frame)
      break
  }
}

const server = http.createServer()
const sockets = new WebSocketServer({ server })
sockets.on('connection', (socket, request) => {
  const user = userOfToken(new URL(request.url, 'http://localhost').searchParams.get('token'))
  if (!user) {
    socket.send(JSON.stringify({ error: 'Unauthorized' }))
    socket.close(4001, 'Unauthorized')
    return
  }
  users.set(socket, user)
  socket.alive = true
  socket.on('pong', () => {
    socket.alive = true
  })
  socket.on('message', (text) => handleMessage(socket, text))
  socket.on('close', () => {
    // Every room is looked at, for nothing says which ones the socket is in.
    for (const room of [...rooms.keys()]) leave(socket, room)
  })
  socket.send(JSON.stringify({ type: 'connected', user: { id: user.userId, name: user.name } }))
})
setInterval(() => {
  for (const socket of sockets.clients) {
    if (!socket.alive) {
      socket.terminate()
      continue
    }
    socket.alive = false
    socket.ping()
  }
}, 30_000)
sayWhere(server)
