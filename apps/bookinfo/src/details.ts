// The details service: facts about a book.
import { idIn, json, methodNotAllowed, notFound, notNumeric, runService, type Handler } from './shared/server.ts';

const handle: Handler = ({ method, path }) => {
  if (path === '/health') return json(200, { status: 'Details is healthy' });
  const id = idIn(path, 'details');
  if (id === undefined) return notFound();
  if (method !== 'GET') return methodNotAllowed('GET');
  return Number.isNaN(id) ? notNumeric() : json(200, bookDetails(id));
};

const bookDetails = (id: number): object => ({
  id,
  author: 'William Shakespeare',
  year: 1594,
  type: 'paperback',
  pages: 128,
  publisher: 'Shuttle & Loom Press',
  language: 'English',
  'ISBN-10': '0000000000',
  'ISBN-13': '978-0000000002',
});

runService('details', () => handle);
