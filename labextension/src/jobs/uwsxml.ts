/**
 * The XML documents of UWS 1.1 (section 2.2), for services that know no JSON: a list of jobs, and one job.
 */
import { IJob, IJobDocument, readDocument, readJob } from './job';

/** A service of others: its name, and the URL of its list of jobs. */
export interface IUwsService {
  readonly name: string;
  readonly url: string;
}

/** The jobs of a list. Those that are not below the service's URL cannot be reached, and are left out. */
export function readJobs(xml: string, service: IUwsService): IJob[] {
  return children(parse(xml, 'jobs'), 'jobref').flatMap(ref => {
    const path = pathBelow(ref.getAttributeNS(XLINK, 'href') ?? ref.getAttribute('id') ?? '', service.url);
    return path === null
      ? []
      : [
          {
            ...readJob({ phase: text(ref, 'phase'), run_id: text(ref, 'runId'), creation_time: text(ref, 'creationTime') }),
            ...refOf(path, service)
          }
        ];
  });
}

export function readJobXml(xml: string, service: IUwsService, type: string): IJobDocument {
  const root = parse(xml, 'job');
  const [error] = children(root, 'errorSummary');
  const [info] = children(root, 'jobInfo');
  const parameters: Record<string, string[]> = {};
  for (const parameter of inside(root, 'parameters')) {
    (parameters[parameter.getAttribute('id') ?? ''] ??= []).push(parameter.textContent?.trim() ?? '');
  }
  const results = inside(root, 'results').map(result => resultOf(result, service));
  const document = readDocument({
    run: 0,
    phase: text(root, 'phase'),
    run_id: text(root, 'runId'),
    owner: text(root, 'ownerId'),
    creation_time: text(root, 'creationTime'),
    start_time: text(root, 'startTime'),
    end_time: text(root, 'endTime'),
    destruction: text(root, 'destruction'),
    execution_duration: Number(text(root, 'executionDuration')),
    disk: 0,
    info: Object.fromEntries([...(info?.children ?? [])].map(each => [each.localName, each.textContent?.trim() ?? ''])),
    parameters,
    uploads: {},
    results,
    error: error && { message: text(error, 'message'), has_detail: error.getAttribute('hasDetail') === 'true' }
  });
  return { ...document, id: text(root, 'jobId'), type, service: service.name };
}

/** The names of parameters whose values are elsewhere: such a job cannot be repeated by them. */
export function referenced(xml: string): string[] {
  return inside(parse(xml, 'job'), 'parameters')
    .filter(parameter => parameter.getAttribute('byReference') === 'true')
    .map(parameter => parameter.getAttribute('id') ?? '');
}

function resultOf(result: Element, service: IUwsService): object {
  const name = result.getAttribute('id') ?? '';
  const href = result.getAttributeNS(XLINK, 'href') ?? '';
  const below = pathBelow(href, service.url);
  const size = result.getAttribute('size');
  // what lies elsewhere can be fetched by a click only: this page asks nobody but its own server
  return {
    name,
    path: name,
    content_type: below === null ? '' : (result.getAttribute('mime-type') ?? ''),
    size: size === null ? null : Number(size),
    sha256: null,
    description: '',
    below,
    elsewhere: below === null && /^https?:\/\//.test(href) ? href : ''
  };
}

const XLINK = 'http://www.w3.org/1999/xlink';

/**
 * The path of a link below a service, whatever scheme and host the service believes to have: behind a proxy it is
 * often wrong in these. Null where the link leads elsewhere.
 */
export function pathBelow(href: string, base: string): string[] | null {
  const root = new URL(`${base}/`);
  let path: string;
  try {
    path = new URL(href, root).pathname;
  } catch {
    return null;
  }
  const parts = path.slice(root.pathname.length).split('/').filter(Boolean);
  return path.startsWith(root.pathname) && parts.length > 0 ? parts.map(decodeURIComponent) : null;
}

function refOf(path: readonly string[], service: IUwsService): Pick<IJob, 'id' | 'type' | 'service'> {
  return { id: path.at(-1) ?? '', type: path.slice(0, -1).join('/'), service: service.name };
}

function parse(xml: string, name: string): Element {
  // a document with a DTD could be made to grow without end
  const root = /<!DOCTYPE/i.test(xml) ? null : new DOMParser().parseFromString(xml, 'application/xml').documentElement;
  if (root?.localName !== name) {
    throw new Error(`The answer is no UWS document <${name}>: ${xml.slice(0, 80)}`);
  }
  return root;
}

function children(element: Element, name: string): Element[] {
  return [...element.children].filter(child => child.localName === name);
}

/** What is listed in the child of this name. */
function inside(element: Element, name: string): Element[] {
  return children(element, name).flatMap(list => [...list.children]);
}

function text(element: Element, name: string): string {
  return children(element, name)[0]?.textContent?.trim() ?? '';
}
