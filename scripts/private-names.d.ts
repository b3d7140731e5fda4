export declare function privateNames(sources: string[], others: string): string[];
