// The yardstick: a bare `ws` relay. Whatever the publisher (path /publish) sends goes to every subscriber as a ready
// frame; nothing is checked, stored or ordered.
import { WebSocketServer, type WebSocket } from 'ws';
import { serveParent } from './child.ts';

const subscribers = new Set<WebSocket>();
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false }, () => {
  const address = server.address();
  serveParent({ port: typeof address === 'object' && address ? address.port : 0 });
});

server.on('connection', (socket, request) => {
  if (request.url === '/publish') {
    socket.on('message', (frame: Buffer) => {
      for (const subscriber of subscribers) subscriber.send(frame, { binary: false });
    });
    return;
  }
  subscribers.add(socket);
  socket.on('close', () => subscribers.delete(socket));
});
