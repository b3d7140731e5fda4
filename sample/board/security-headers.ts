import type { IncomingMessage, ServerResponse } from 'node:http';

const HEADERS: Record<string, string> = {
  // Everything the page needs comes from here. 'self' in connect-src covers ws: and wss: of the same host.
  'content-security-policy': [
    "default-src 'self'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    // For legacy transports: the forever iframe is a frame; JSONP is scripts, a frame and a form.
    "frame-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=()',
};

export function securityHeaders(_request: IncomingMessage, response: ServerResponse, next: () => void): void {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  next();
}
