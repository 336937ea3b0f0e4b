import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Controller, Get, Header, Inject, Param, Redirect, StreamableFile } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { Problem, Reason } from '@touchstone/contracts';

export const OPENAPI_DOCUMENT = Symbol('OpenApiDocument');

const swaggerUi = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

/** What the page loads; all of it comes from here, none of it is inline. */
const assets: Record<string, string | undefined> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

const page = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Touchstone API</title>
  <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
  <link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
  <div id="api"></div>
  <script src="/docs/swagger-ui-bundle.js"></script>
  <script src="/docs/start.js"></script>
</body>
</html>
`;

const start = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#api', deepLinking: true, validatorUrl: null });\n`;

const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/** The description of the API, for programs and for people. */
@Controller()
export class DocsController {
  constructor(@Inject(OPENAPI_DOCUMENT) private readonly document: object) {}

  @Get()
  @Redirect('/docs')
  @RouteConfig({ isPublic: true })
  home(): void {}

  @Get('openapi.json')
  @RouteConfig({ isPublic: true })
  openApi(): object {
    return this.document;
  }

  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', pagePolicy)
  @RouteConfig({ isPublic: true })
  docs(): string {
    return page;
  }

  @Get('docs/start.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  @RouteConfig({ isPublic: true })
  start(): string {
    return start;
  }

  @Get('docs/:asset')
  @Header('cache-control', 'public, max-age=3600')
  @RouteConfig({ isPublic: true })
  asset(@Param('asset') asset: string): StreamableFile {
    const type = Object.hasOwn(assets, asset) ? assets[asset] : undefined;
    if (type === undefined) throw new Problem({ reason: Reason.ROUTE_NOT_FOUND, detail: 'There is nothing at this path.' });
    return new StreamableFile(createReadStream(join(swaggerUi, asset)), { type });
  }
}
