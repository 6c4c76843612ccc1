// Node alone, or with the libraries that every worker of Warren's has loaded: what memory is not Warren's own.
const libraries = process.argv.slice(2)
for (const name of libraries) await import(name)
process.on('disconnect', () => process.exit())
process.send?.('ready')
