/** A folder of a static site as a page, in the markup that style sheets for Swift's listings know. Pure. */
import { encodePercent } from './text.ts';

export interface ListingAbout {
  readonly label: string;
  /** The folder: empty, or with a slash at its end. */
  readonly prefix: string;
  readonly css: string;
  readonly index: string;
}

export interface ListingPage extends ListingAbout {
  /** As a JSON listing has them. */
  readonly entries: readonly Readonly<Record<string, unknown>>[];
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#x27;',
};

function html(text: string): string {
  return text.replace(/[&<>"']/g, (mark) => entities[mark] ?? mark);
}

const doctype =
  '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN" "http://www.w3.org/TR/html4/loose.dtd">';

const plainStyle = `  <style type="text/css">
   h1 {font-size: 1em; font-weight: bold;}
   th {text-align: left; padding: 0px 1em 0px 1em;}
   td {padding: 0px 1em 0px 1em;}
   a {text-decoration: none;}
  </style>`;

function head({ label, css, prefix }: ListingAbout): string {
  const style =
    css === ''
      ? plainStyle
      : `  <link rel="stylesheet" type="text/css" href="${cssPath(css, prefix)}" />`;
  return `${doctype}\n<html>\n <head>\n  <title>Listing of ${html(label)}</title>\n${style}\n </head>\n`;
}

/** Seen from the page: absolute as it is, or else from the container's top. */
function cssPath(css: string, prefix: string): string {
  if (/^(?:\/|https?:\/\/)/.test(css)) return encodePercent(css).replaceAll('%3A', ':');
  return '../'.repeat(prefix.split('/').length - 1) + encodePercent(css);
}

export function refusedListingPage(about: ListingAbout): string {
  const missing =
    about.index === ''
      ? ''
      : `<h1>Index File Not Found</h1> <p>The owner of this web site has set  <b>X-Container-Meta-Web-Index: ${html(about.index)}</b>.  However, this file is not found.</p>`;
  return `${head(about)}<body>  <h1>Web Listing Disabled</h1>   <p>The owner of this web site has disabled web listing.   <p>If you are the owner of this web site, you can enable   web listing by setting X-Container-Meta-Web-Listings.</p>${missing} </body>\n</html>\n`;
}

function row(classes: string, name: string, size: string, date: string): string {
  return `   <tr ${classes}>
    <td class="colname">${name}</td>
    <td class="colsize">${size}</td>
    <td class="coldate">${date}</td>
   </tr>
`;
}

const blank = '&nbsp;';

export function listingPage(page: ListingPage): string {
  const { entries, prefix, label } = page;
  const short = (name: unknown) => String(name).slice(prefix.length);
  const link = (name: string) => `<a href="${encodePercent(name)}">${html(name)}</a>`;
  const parent =
    prefix === '' ? '' : row('id="parent" class="item"', '<a href="../">../</a>', blank, blank);
  const folders = entries
    .filter(({ subdir }) => subdir !== undefined)
    .map(({ subdir }) => row('class="item subdir"', link(short(subdir)), blank, blank));
  const files = entries
    .filter(({ name }) => name !== undefined)
    .map(({ name, content_type: type, bytes, last_modified: modified }) => {
      const classes = String(type)
        .split('/')
        .map((part) => `type-${html(part.toLowerCase())}`);
      const date = html(String(modified)).split('.')[0]?.replace('T', ' ') ?? '';
      const size = readableSize(Number(bytes));
      return row(`class="item ${classes.join(' ')}"`, link(short(name)), size, date);
    });
  return `${head(page)} <body>
  <h1 id="title">Listing of ${html(label)}</h1>
  <table id="listing">
   <tr id="heading">
    <th class="colname">Name</th>
    <th class="colsize">Size</th>
    <th class="coldate">Date</th>
   </tr>
${parent}${folders.join('')}${files.join('')}  </table>
 </body>
</html>
`;
}

/** `5.2Mi`: to the nearest whole of the largest unit that it reaches. */
function readableSize(bytes: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Math.round(value)}${units[unit] ?? ''}`;
}
