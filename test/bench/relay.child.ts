// The yardstick: a bare `ws` relay. Nothing is checked, stored or ordered. What comes from /publish goes to every
// subscriber as a ready frame; a socket of /rooms?in=1,7 hears what others send to rooms 1 and 7 ("7 frame").
import { WebSocketServer, type WebSocket } from 'ws';
import { serveParent } from './child.ts';

const subscribers = new Set<WebSocket>();
const rooms = new Map<string, Set<WebSocket>>();
const options = { port: 0, host: '127.0.0.1', perMessageDeflate: false, backlog: 1024 };
const server = new WebSocketServer(options, () => {
  const address = server.address();
  serveParent({ port: typeof address === 'object' && address ? address.port : 0 });
});

const room = (name: string): Set<WebSocket> => {
  const known = rooms.get(name);
  if (known) return known;
  const made = new Set<WebSocket>();
  rooms.set(name, made);
  return made;
};

function joinRooms(socket: WebSocket, names: readonly string[]): void {
  for (const name of names) room(name).add(socket);
  socket.on('close', () => {
    for (const name of names) room(name).delete(socket);
  });
  socket.on('message', (message: Buffer, isBinary: boolean) => {
    const at = message.indexOf(' ');
    const frame = message.subarray(at + 1);
    for (const other of room(message.toString('latin1', 0, at)))
      if (other !== socket) other.send(frame, { binary: isBinary });
  });
}

server.on('connection', (socket, request) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://relay');
  if (pathname === '/rooms') return joinRooms(socket, (searchParams.get('in') ?? '').split(','));
  if (pathname === '/publish') {
    socket.on('message', (frame: Buffer, isBinary: boolean) => {
      for (const subscriber of subscribers) subscriber.send(frame, { binary: isBinary });
    });
    return;
  }
  subscribers.add(socket);
  socket.on('close', () => subscribers.delete(socket));
});
