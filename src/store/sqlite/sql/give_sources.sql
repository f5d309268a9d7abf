SELECT name, since FROM source ORDER BY name
