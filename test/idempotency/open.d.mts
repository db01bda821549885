export declare function openRecords(load: (folder: string) => Promise<unknown>, store: string, address: string): Promise<unknown>;
