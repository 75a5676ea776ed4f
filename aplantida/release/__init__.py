"""What a release needs beside the model: licences, credits, a manifest, a dashboard, and tidying up."""
