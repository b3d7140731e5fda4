export type SystemPart = 'chromium' | 'firefox-esr' | 'redis-server' | 'nginx' | 'openssl' | 'haxe';
export declare const SYSTEM_PARTS: Record<SystemPart, { why: string; programs: string[] }>;
export declare function findPart(name: SystemPart): string | undefined;
export declare function requirePart(name: SystemPart): string;
export declare function ensureSystemParts(say: (text: string) => void): boolean;
