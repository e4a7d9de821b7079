import { describe, expect, it } from 'vitest';

import { IRemote } from '../../src/http';
import { Elsewhere } from '../../src/jobs/elsewhere';
import { IJob } from '../../src/jobs/job';
import { pathBelow, readJobs, readJobXml, referenced } from '../../src/jobs/uwsxml';

const HEAD = 'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink"';
const service = { name: 'far', url: 'https://far.example/rest' };
const JOB = `<?xml version="1.0"?><uws:job ${HEAD} version="1.1">
  <uws:jobId>17</uws:jobId><uws:runId>night &lt;1&gt;</uws:runId><uws:phase>ERROR</uws:phase>
  <uws:creationTime>2026-11-25T01:02:03Z</uws:creationTime><uws:executionDuration>600</uws:executionDuration>
  <uws:parameters><uws:parameter id="ra">83.6</uws:parameter><uws:parameter id="ra">84</uws:parameter>
    <uws:parameter id="model" byReference="true">https://far.example/rest/x</uws:parameter></uws:parameters>
  <uws:results><uws:result id="map" xlink:href="http://proxy/rest/map/17/results/map.fits" mime-type="image/fits" size="2880"/>
    <uws:result id="copy" xlink:href="https://other.example/copy.png" mime-type="image/png"/>
    <uws:result id="bad" xlink:href="javascript:alert(1)" mime-type="image/png"/></uws:results>
  <uws:errorSummary type="fatal" hasDetail="true"><uws:message>no events</uws:message></uws:errorSummary>
</uws:job>`;

describe('UWS in XML', () => {
  it('reads a list, of jobs that can be reached', () => {
    const list = `<uws:jobs ${HEAD}>
      <uws:jobref id="a" xlink:href="http://proxy:8080/rest/map/a"><uws:phase>QUEUED</uws:phase><uws:runId>r</uws:runId></uws:jobref>
      <uws:jobref id="b"><uws:phase>COMPLETED</uws:phase></uws:jobref>
      <uws:jobref id="c" xlink:href="https://far.example/tap/async/c"/></uws:jobs>`;
    const jobs = readJobs(list, service);
    expect(jobs.map(job => [job.service, job.type, job.id, job.phase, job.runId])).toEqual([
      ['far', 'map', 'a', 'QUEUED', 'r'],
      ['far', '', 'b', 'COMPLETED', '']
    ]);
  });

  it('reads a job with its error, and tells where its results are', () => {
    const job = readJobXml(JOB, service, 'map');
    expect([job.id, job.type, job.runId, job.phase, job.message, job.hasDetail]).toEqual([
      '17',
      'map',
      'night <1>',
      'ERROR',
      'no events',
      true
    ]);
    expect(job.parameters.ra).toEqual(['83.6', '84']);
    expect(job.resultFiles.map(result => [result.below, result.elsewhere, result.content_type])).toEqual([
      [['map', '17', 'results', 'map.fits'], '', 'image/fits'],
      [null, 'https://other.example/copy.png', ''],
      [null, '', '']
    ]);
    expect(referenced(JOB)).toEqual(['model']);
  });

  it('refuses what is none, and what could grow without end', () => {
    expect(() => readJobXml('<html/>', service, '')).toThrow('no UWS document <job>');
    expect(() => readJobXml(`<!DOCTYPE x [<!ENTITY a "b">]>${JOB}`, service, '')).toThrow('no UWS document');
    expect(pathBelow('/restless/a', service.url)).toBeNull();
    expect(pathBelow('../x', service.url)).toBeNull();
    expect(pathBelow('a%20b', service.url)).toEqual(['a b']);
  });
});

describe('jobs elsewhere', () => {
  it('keeps what it knew of a service that does not answer, and says so', async () => {
    const remote = (name: string): IRemote => ({ name, kind: 'uws', title: `The ${name}`, url: `https://${name}` });
    let down = false;
    const job = (name: string): IJob => ({ ...readJobXml(JOB, { name, url: `https://${name}` }, '') });
    const elsewhere = new Elsewhere({
      remotes: () => Promise.resolve([remote('a'), remote('b')]),
      jobsOf: ({ name }) => (down && name === 'b' ? Promise.reject(new Error('gone')) : Promise.resolve([job(name)]))
    });
    await elsewhere.refresh();
    down = true;
    await elsewhere.refresh();
    expect(elsewhere.jobs.map(each => each.service)).toEqual(['a', 'b']);
    expect([...elsewhere.failures]).toEqual([['The b', 'gone']]);
  });
});
