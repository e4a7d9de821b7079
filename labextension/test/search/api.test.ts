import { describe, expect, it } from 'vitest';

import { ArchiveService, QueryError } from '../../src/search/api';
import { ITransport } from '../../src/transport';

/** A service that gives these answers in turn; what it was asked. */
function serving(...answers: Response[]): { service: ArchiveService; asked: string[] } {
  const asked: string[] = [];
  const transport = {
    fetch: (path, init, query) => {
      asked.push(`${path.join('/')}${query ?? ''} ${typeof init?.body === 'string' ? init.body : ''}`.trim());
      return Promise.resolve(answers.shift() ?? new Response('', { status: 500 }));
    },
    here: link => link,
    picture: address => Promise.resolve(address)
  } as Partial<ITransport> as ITransport;
  return { service: new ArchiveService(transport), asked };
}

/** With rows in TABLEDATA, or in what else is told of. */
function votable(rows: string, status = 'OK', data = 'TABLEDATA'): Response {
  const info = `<INFO name="QUERY_STATUS" value="${status}">${status === 'ERROR' ? rows : ''}</INFO>`;
  const field = '<FIELD name="n" datatype="char" arraysize="*"/>';
  const table = status === 'ERROR' ? '' : `<TABLE>${field}<DATA><${data}>${rows}</${data}></DATA></TABLE>`;
  const text = `<VOTABLE version="1.4"><RESOURCE type="results">${info}${table}</RESOURCE></VOTABLE>`;
  return new Response(text, { status: status === 'ERROR' ? 400 : 200, headers: { 'Content-Type': 'application/x-votable+xml' } });
}

describe('ArchiveService', () => {
  it('asks once for all the rows of a query, whatever their number', async () => {
    // as the service sends them: no null, a text of one letter, a; jsdom takes seconds for so many elements
    const stream = `<STREAM encoding="base64">${'AAAAAAFh'.repeat(20_000)}</STREAM>`;
    const { service, asked } = serving(votable(stream, 'OK', 'BINARY2'));
    const { table, overflow } = await service.rows('SELECT n FROM t', 20_000);
    expect([table.rowCount, overflow]).toEqual([20_000, false]);
    expect(asked).toEqual(['tap/sync LANG=ADQL&QUERY=SELECT+n+FROM+t&RESPONSEFORMAT=votable&MAXREC=20000']);
  });

  it('says in a sentence what is wrong, and never what a program said to its author', async () => {
    const page = '<html><body><pre>Traceback (most recent call last):\nKeyError: 1</pre></body></html>';
    const { service } = serving(
      new Response(page, { status: 500, statusText: 'Internal Server Error', headers: { 'Content-Type': 'text/html' } }),
      new Response('{"message": "KeyError"}', { status: 502, statusText: 'Bad Gateway', headers: { 'Content-Type': 'application/json' } }),
      new Response('it runs on node7\n', { status: 503, headers: { 'Content-Type': 'text/plain' } }),
      votable('line 2, column 7: there is no column x', 'ERROR')
    );
    const refused = (): Promise<unknown> => service.rows('SELECT 1', 1).catch((error: unknown) => error);
    expect(await refused()).toEqual(new Error('The service answered 500 Internal Server Error'));
    expect(await refused()).toEqual(new Error('The service answered 502 Bad Gateway'));
    expect(await refused()).toEqual(new Error('it runs on node7'));
    const wrong = await refused();
    expect(wrong).toBeInstanceOf(QueryError);
    expect(wrong).toMatchObject({ line: 2, column: 7 });
  });

  it('asks for the links of a run in one request, and for a file of rows in one', async () => {
    const { service, asked } = serving(votable('<TR><TD>a</TD></TR>'), new Response('n\n1\n'));
    expect(await service.links('ivo://a?1')).toHaveLength(1);
    expect(await (await service.file('SELECT n FROM t', 'csv')).text()).toBe('n\n1\n');
    expect(asked[0]).toBe('datalink/links?ID=ivo%3A%2F%2Fa%3F1');
    expect(asked[1]).toContain('RESPONSEFORMAT=csv');
    expect(asked).toHaveLength(2);
  });

  it('gives a long description of itself up', async () => {
    const { service } = serving(new Response('x'.repeat(4_000_001)), new Response('short'));
    await expect(service.tableset()).rejects.toThrow('tables is too long');
    expect(await service.examples()).toBe('short');
  });
});
