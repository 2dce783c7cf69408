// Presence on socket.io, as its own examples do it: rooms of the library, who is there in a map, the whole list to who
// joins and one event a change to the others. WebSocket only, as the benchmark speaks it.
import http from 'node:http'
import { Server } from 'socket.io'
import { sayWhere, userOfToken } from './people.mjs'

/** Room to user id to what is known of the user, and with how many sockets they are there. */
const presence = new Map()

function viewersOf(room) {
  return [...(presence.get(room)?.values() ?? [])].map(({ userId, name }) => ({ userId, name }))
}

function leave(socket, room) {
  const viewers = presence.get(room)
  const viewer = viewers?.get(socket.data.user.userId)
  if (!viewer || --viewer.sockets > 0) return
  viewers.delete(viewer.userId)
  if (viewers.size === 0) presence.delete(room)
  socket.to(room).emit('user_left', { id: viewer.userId, name: viewer.name })
}

const server = http.createServer()
const io = new Server(server, { transports: ['websocket'], perMessageDeflate: false })
io.use((socket, next) => {
  socket.data.user = userOfToken(socket.handshake.query.token)
  next(socket.data.user ? undefined : new Error('Unauthorized'))
})
io.on('connection', (socket) => {
  const { userId, name } = socket.data.user
  socket.on('join', (room) => {
    if (socket.rooms.has(room)) return
    socket.join(room)
    if (!presence.has(room)) presence.set(room, new Map())
    const viewers = presence.get(room)
    const viewer = viewers.get(userId)
    viewers.set(userId, { userId, name, sockets: (viewer?.sockets ?? 0) + 1 })
    socket.emit('presence', { boardId: room, viewers: viewersOf(room) })
    if (!viewer) socket.to(room).emit('user_joined', { id: userId, name })
  })
  socket.on('leave', (room) => {
    if (!socket.rooms.has(room)) return
    leave(socket, room)
    socket.leave(room)
  })
  socket.on('typing', (room, data) => {
    if (socket.rooms.has(room)) socket.to(room).emit('typing', { id: userId, name }, data)
  })
  socket.on('disconnecting', () => {
    for (const room of socket.rooms) leave(socket, room)
  })
})
sayWhere(server)
